"""The encoder: BERT layers over frozen word vectors, one question for each head, answered for every token and for the window."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HEADS = 2


class Layer(nn.Module):
    """One transformer layer, normalised after each step (Devlin et al. 2019)."""

    def __init__(self, width, heads, inner, epsilon):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.ao = (nn.Linear(width, width) for _ in range(4))
        self.aln = nn.LayerNorm(width, epsilon)
        self.fi, self.fo = nn.Linear(width, inner), nn.Linear(inner, width)
        self.oln = nn.LayerNorm(width, epsilon)

    def forward(self, x, mask, dropout=0.0):
        batch, length, width = x.shape

        def split(y):
            return y.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        y = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(x)), split(self.v(x)), attn_mask=mask)
        y = self.ao(y.transpose(1, 2).reshape(batch, length, width))
        x = self.aln(x + F.dropout(y, dropout, self.training))
        y = self.fo(F.gelu(self.fi(x)))
        return self.oln(x + F.dropout(y, dropout, self.training))


class Encoder(nn.Module):
    """Layers of the base; word vectors are given from outside and stay as they are."""

    def __init__(self, width, heads, inner, layers, positions, epsilon):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.eln = nn.LayerNorm(width, epsilon)
        self.layers = nn.ModuleList(Layer(width, heads, inner, epsilon) for _ in range(layers))
        # Each head weighs the tokens (attention pooling), and asks every token as well whether it belongs to an attack.
        self.weigh = nn.Linear(width, HEADS)
        self.dense = nn.ModuleList(nn.Linear(2 * width, 128) for _ in range(HEADS))
        self.out = nn.ModuleList(nn.Linear(128, 1) for _ in range(HEADS))
        self.token = nn.Linear(width, HEADS)

    def hidden(self, words, present, dropout=0.0):
        """Word vectors [batch, length, width] and which of them are there -> hidden states."""
        x = self.eln(words + self.positions[: words.shape[1]])
        x = F.dropout(x, dropout, self.training)
        mask = present[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask, dropout)
        return x

    def forward(self, words, present, dropout=0.0):
        """-> window logits [batch, heads], token logits [batch, length, heads]."""
        x = self.hidden(words, present, dropout)
        weights = self.weigh(x).masked_fill(~present[:, :, None], -1e4).softmax(1)
        count = present.sum(1, keepdim=True).clamp(min=1)
        mean = (x * present[:, :, None]).sum(1) / count
        logits = []
        for head in range(HEADS):
            pooled = torch.einsum("bl,bld->bd", weights[:, :, head], x)
            y = torch.cat([pooled, mean], 1)
            logits.append(self.out[head](F.dropout(F.gelu(self.dense[head](y)), dropout, self.training)))
        return torch.cat(logits, 1), self.token(x)


def from_base(base, layers):
    """The base with the chosen layers, in order."""
    model = Encoder(base.hidden, base.heads, base.inner, len(layers), base.positions, base.epsilon)

    def put(parameter, array):
        parameter.data.copy_(torch.from_numpy(np.array(array)).view_as(parameter))

    put(model.positions, base.vector("emb.pos") + np.tile(base.vector("emb.type")[: base.hidden], base.positions))
    put(model.eln.weight, base.vector("emb.ln.w"))
    put(model.eln.bias, base.vector("emb.ln.b"))
    for layer, source in zip(model.layers, layers):
        for name in ("q", "k", "v", "ao", "fi", "fo"):
            linear = getattr(layer, name)
            put(linear.weight, base.matrix(f"l{source}.{name}.w", linear.in_features))
            put(linear.bias, base.vector(f"l{source}.{name}.b"))
        for name in ("aln", "oln"):
            put(getattr(layer, name).weight, base.vector(f"l{source}.{name}.w"))
            put(getattr(layer, name).bias, base.vector(f"l{source}.{name}.b"))
    return model
