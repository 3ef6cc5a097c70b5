# SPDX-License-Identifier: Apache-2.0
"""A language model of two LSTM layers: Zaremba, Sutskever, Vinyals, "Recurrent Neural Network Regularization",
2014, its medium size narrowed from 650 to 512 units.
"""

from torch import nn

UNITS = 512
DROPOUT = 0.5


class Lstm(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, UNITS)
        self.layers = nn.LSTM(UNITS, UNITS, num_layers=2, dropout=DROPOUT, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.logits = nn.Linear(UNITS, vocabulary)

    def forward(self, tokens):
        outputs, _ = self.layers(self.dropout(self.tokens(tokens)))
        return self.logits(self.dropout(outputs))


def lstm(image, classes):
    """`image` is the length of the sequences, `classes` the size of the vocabulary."""
    return Lstm(classes)
