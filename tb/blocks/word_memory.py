# SPDX-License-Identifier: Apache-2.0
"""A model at the far end of a bus of words."""

__all__ = ["WordMemory"]


class WordMemory:
    """Words that can be read and written; some addresses are refused.

    Parameters
    ----------
    bench : :class:`~streams.Bench`
        Where it is used.
    bus
        The bus of a master.
    refuses : callable
        Tells whether an address is refused.
    pauses : tuple of two :class:`float`
        Probabilities that a request is not taken in a cycle, and that no answer comes in one.

    Attributes
    ----------
    words : dict
        What is in memory, by address; absent words are their address, inverted.
    log : list of tuples
        Requests: address, whether it writes, data.
    """

    def __init__(self, bench, bus, *, refuses=lambda address: False, pauses=(0.0, 0.0)):
        self._bench, self._bus, self._refuses, self._pauses = bench, bus, refuses, pauses
        self.words, self.log = {}, []
        bench.add(self._serve, background=True)

    def value(self, address: int) -> int:
        """Return a word."""
        return self.words.get(address, ~address & 0xFFFF_FFFF)

    async def _serve(self, ctx):
        rng, request, answer = self._bench.rng, self._bus.requests, self._bus.answers
        ready, due = False, None
        samples = (request.valid, request.payload)
        async for _, _, valid, payload in ctx.tick().sample(*samples):
            if ready and valid:
                due = self._access(payload)
            comes = due is not None and rng.random() >= self._pauses[1]
            ctx.set(answer.valid, comes)
            ctx.set(answer.payload, due if comes else {"data": 0, "refused": 0})
            if comes:
                due = None
            ready = due is None and not comes and rng.random() >= self._pauses[0]
            ctx.set(request.ready, ready)

    def _access(self, request):
        """Do what is asked, and return the answer."""
        address = request.address
        self.log.append((address, request.write, request.data))
        if self._refuses(address):
            return {"data": 0, "refused": 1}
        if request.write:
            self.words[address] = request.data
            return {"data": 0, "refused": 0}
        return {"data": self.value(address), "refused": 0}
