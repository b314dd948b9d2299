/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder for the RAW and ZVC wire formats, written from docs/format.md alone.  Section names in the
 * comments refer to that page.
 *
 * The program reads lines from standard input and answers each with one line:
 *
 *     format element_size raw_length encoded_hex  ->  error_code position valid raw_hex
 *
 * Numbers are decimal, an empty byte string is "-", raw_hex holds the valid raw bytes only.  A line
 * that a caller must not ask for is answered with error code -1; one that cannot be read ends
 * the program with exit status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Decoder ------------------------------------------------------------------------------- */

enum { FORMAT_RAW = 0, FORMAT_ZVC = 1 };        /* "Conventions" */

enum { GROUP_SIZE = 128 };                      /* "ZVC": raw bytes in a full group */

/* "Malformed data", and this program's own answer to what it should not have been asked. */
enum {
    BAD_ARGUMENT = -1,
    OK = 0,
    LENGTH_MISMATCH = 1,
    TRUNCATED = 2,
    TRAILING = 3,
    NON_CANONICAL = 5,
    PADDING = 7
};

typedef struct {
    int error;
    size_t position;    /* of the offending byte; the encoded length if there is none */
    size_t valid;       /* raw bytes, from the first one on, that can be relied upon */
} result;

static result make_result(int error, size_t position, size_t valid)
{
    result r = { error, position, valid };
    return r;
}

/* "RAW".  raw must have room for raw_length bytes; bytes behind the valid ones stay untouched. */
static result decode_raw(const uint8_t *encoded, size_t encoded_length,
                         uint8_t *raw, size_t raw_length)
{
    result r = make_result(OK, encoded_length, raw_length);

    if (encoded_length > raw_length)
        r = make_result(LENGTH_MISMATCH, raw_length, raw_length);
    else if (encoded_length < raw_length)       /* "Malformed data", Valid: full groups only */
        r = make_result(LENGTH_MISMATCH, encoded_length,
                        encoded_length - encoded_length % GROUP_SIZE);
    if (r.valid > 0)
        memcpy(raw, encoded, r.valid);
    return r;
}

static int is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

/* "Decoding": one group of raw_length bytes, whose mask is at *at.  Returns the error code and
 * leaves *at behind the group or, on an error, at the position to report. */
static int decode_zvc_group(const uint8_t *encoded, size_t encoded_length, size_t *at,
                            size_t element_size, uint8_t *raw, size_t raw_length)
{
    const size_t mask_at = *at;
    const size_t mask_size = GROUP_SIZE / 8 / element_size;     /* that of a full group, always */
    const size_t elements = raw_length / element_size;

    for (size_t j = 0; j < mask_size; j++, ++*at) {
        const size_t used = elements > 8 * j ? elements - 8 * j : 0;    /* bits, from bit 0 on */

        if (*at == encoded_length)
            return TRUNCATED;
        if (used < 8 && encoded[*at] >> used != 0)
            return PADDING;
    }
    memset(raw, 0, raw_length);
    for (size_t i = 0; i < elements; i++) {
        if ((encoded[mask_at + i / 8] >> i % 8 & 1) == 0)
            continue;
        if (encoded_length - *at < element_size) {
            *at = encoded_length;
            return TRUNCATED;
        }
        if (is_zero(&encoded[*at], element_size))
            return NON_CANONICAL;
        memcpy(&raw[i * element_size], &encoded[*at], element_size);
        *at += element_size;
    }
    return OK;
}

/* "ZVC".  raw must have room for raw_length bytes; what an error leaves behind the valid ones is
 * unspecified.  The element size is 1, 2 or 4 and divides raw_length. */
static result decode_zvc(const uint8_t *encoded, size_t encoded_length, size_t element_size,
                         uint8_t *raw, size_t raw_length)
{
    size_t at = 0;
    size_t done = 0;    /* raw bytes of the groups before this one */

    while (done < raw_length) {
        const size_t left = raw_length - done;
        const size_t size = left < GROUP_SIZE ? left : GROUP_SIZE;
        const int error = decode_zvc_group(encoded, encoded_length, &at, element_size,
                                           &raw[done], size);

        if (error != OK)
            return make_result(error, at, done);
        done += size;
    }
    return make_result(at < encoded_length ? TRAILING : OK, at, done);
}

/* "Conventions": a decoder is told the format, the element size and the raw length. */
static result decode(unsigned long format, size_t element_size,
                     const uint8_t *encoded, size_t encoded_length,
                     uint8_t *raw, size_t raw_length)
{
    if ((element_size != 1 && element_size != 2 && element_size != 4)
        || raw_length % element_size != 0)
        return make_result(BAD_ARGUMENT, 0, 0);
    switch (format) {
    case FORMAT_RAW:
        return decode_raw(encoded, encoded_length, raw, raw_length);
    case FORMAT_ZVC:
        return decode_zvc(encoded, encoded_length, element_size, raw, raw_length);
    default:
        return make_result(BAD_ARGUMENT, 0, 0);
    }
}

/* ---- Test driver --------------------------------------------------------------------------- */

enum { LINE_MAX_LENGTH = 1 << 20, RAW_MAX_LENGTH = 1 << 24 };

static void fail(const char *message)
{
    fflush(stdout);
    fprintf(stderr, "decoder: %s\n", message);
    exit(EXIT_FAILURE);
}

/* Exactly as many bytes as asked for, so that a sanitizer sees any access out of bounds. */
static uint8_t *allocate(size_t size)
{
    uint8_t *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL)
        fail("out of memory");
    return memory;
}

/* Turns hexadecimal digits ("-" for none) into bytes, which the caller frees. */
static uint8_t *read_hex(const char *text, size_t *length)
{
    const size_t digits = strcmp(text, "-") == 0 ? 0 : strlen(text);
    uint8_t *bytes = allocate(digits / 2);

    if (digits % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") < digits)
        fail("bad hexadecimal digits");
    for (size_t i = 0; i < digits / 2; i++) {
        const char pair[] = { text[2 * i], text[2 * i + 1], '\0' };

        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    *length = digits / 2;
    return bytes;
}

int main(void)
{
    static char line[LINE_MAX_LENGTH], hex[LINE_MAX_LENGTH];

    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned long format;
        size_t element_size, raw_length, encoded_length;

        if (strlen(line) == sizeof line - 1)
            fail("line too long");
        if (sscanf(line, "%lu %zu %zu %s", &format, &element_size, &raw_length, hex) != 4
            || raw_length > RAW_MAX_LENGTH)
            fail("bad line");

        uint8_t *encoded = read_hex(hex, &encoded_length);
        uint8_t *raw = allocate(raw_length);
        const result r = decode(format, element_size, encoded, encoded_length, raw, raw_length);

        printf("%d %zu %zu ", r.error, r.position, r.valid);
        for (size_t i = 0; i < r.valid; i++)
            printf("%02x", raw[i]);
        puts(r.valid > 0 ? "" : "-");
        free(encoded);
        free(raw);
    }
    return ferror(stdin) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
