"""How often a compiler breaks a computation in pieces."""

from __future__ import annotations

import torch


def graphs_compiled(loss, logits, target):
    """Compile a computation around a loss, check its value, and count the pieces the compiler made."""
    graphs = []

    def backend(graph, inputs):  # noqa: ARG001
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(lambda x: loss(2 * x, target) + 1, backend=backend)
    torch.testing.assert_close(compiled(logits), loss(2 * logits, target) + 1)
    return len(graphs)


class BrokenOnce(torch.nn.Module):
    """A loss that breaks the graph once, before it computes."""

    @torch.compiler.disable
    def look(self, input, target):
        return input, target

    def forward(self, input, target):
        input, target = self.look(input, target)
        return (input * target).sum()
