# SPDX-License-Identifier: Apache-2.0
"""PyTorch under DeepTM: scripts as users write them learn the same, to the bit, in a bounded fast memory."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

START = """
import hashlib, torch
torch.manual_seed(1)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(2)

def told(*tensors):
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.detach().contiguous().numpy().tobytes())
    print("result", total.hexdigest())

def network():
    from torch import nn
    layers, channels = [], 3
    for width, pool in ((16, 1), (16, 2), (32, 1), (32, 2), (64, 1), (64, 2)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(pool)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))

class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, number):
        return torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(number))[:, :64, :64], number

def batches(count, size=8, side=64):
    generator = torch.Generator().manual_seed(2)
    for _ in range(count):
        yield torch.rand(size, 3, side, side, generator=generator), torch.randint(10, (size,), generator=generator)
"""
TRAIN = """
model = network()
optimizer = OPTIMIZER
loss_of = torch.nn.CrossEntropyLoss()
for inputs, labels in batches(STEPS):
    optimizer.zero_grad()
    loss_of(model(inputs), labels).backward()
    optimizer.step()
told(*model.state_dict().values())
"""
CASES = {
    "sgd": TRAIN.replace("OPTIMIZER", "torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)"),
    "adam": TRAIN.replace("OPTIMIZER", "torch.optim.Adam(model.parameters(), 1e-3)"),
    "fused adam": TRAIN.replace("OPTIMIZER", "torch.optim.Adam(model.parameters(), 1e-3, fused=True)"),
    "by hand": """
model = network()
loss_of = torch.nn.CrossEntropyLoss()
for inputs, labels in batches(STEPS):
    loss_of(model(inputs), labels).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-2 * parameter.grad
            parameter.grad = None
told(*model.state_dict().values())
""",
    "accumulated": """
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
loss_of = torch.nn.CrossEntropyLoss()
for number, (inputs, labels) in enumerate(batches(STEPS)):
    (loss_of(model(inputs), labels) / 4).backward()
    if number % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()
told(*model.state_dict().values())
""",
    "checkpointed": """
from torch.utils.checkpoint import checkpoint_sequential
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
loss_of = torch.nn.CrossEntropyLoss()
for inputs, labels in batches(STEPS):
    optimizer.zero_grad()
    loss_of(checkpoint_sequential(model, 4, inputs, use_reentrant=False), labels).backward()
    optimizer.step()
told(*model.state_dict().values())
""",
    "bfloat16": """
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
loss_of = torch.nn.CrossEntropyLoss()
for inputs, labels in batches(STEPS):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(model(inputs), labels)
    loss.backward()
    optimizer.step()
told(*model.state_dict().values())
""",
    "loader and evaluation": """
from torch.utils.data import DataLoader, TensorDataset
inputs, labels = map(torch.cat, zip(*batches(4)))
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
loss_of = torch.nn.CrossEntropyLoss()
data = TensorDataset(inputs, labels)
spawned = DataLoader(data, batch_size=8, num_workers=1, multiprocessing_context="spawn", persistent_workers=True)
forked = DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork")
seen = []
for epoch in range(STEPS // 4):
    model.train()
    for images, classes in (spawned, forked)[epoch % 2]:
        optimizer.zero_grad()
        loss_of(model(images), classes).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        seen.append(torch.cat([model(images) for images, _ in DataLoader(data, batch_size=20)]))
told(*model.state_dict().values(), *seen)
""",
    "save and load": """
import io
model = network()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
loss_of = torch.nn.CrossEntropyLoss()
for number, (inputs, labels) in enumerate(batches(STEPS)):
    optimizer.zero_grad()
    loss_of(model(inputs), labels).backward()
    optimizer.step()
    if number == STEPS // 2:
        kept = io.BytesIO()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, kept)
kept.seek(0)
state = torch.load(kept)
model.load_state_dict(state["model"])
told(*model.state_dict().values())
""",
    "weight decay": """
import torch.nn.functional as F
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9, weight_decay=1e-3)
for inputs, labels in batches(STEPS):
    optimizer.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()
    optimizer.step()
told(*model.state_dict().values())
""",
    "steps that are told": """
import deeptm
import torch.nn.functional as F
model = network()
for inputs, labels in batches(STEPS):
    F.cross_entropy(model(inputs), labels).backward()
    with torch.no_grad():
        for weights in model.parameters():
            weights -= 1e-2 * (weights.grad + 1e-3 * weights)
            weights.grad = None
    deeptm.step()
told(*model.state_dict().values())
""",
    "nested tensors": """
from torch import nn
model = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True), 4)
head = nn.Linear(64, 10)
optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], 1e-3)
generator = torch.Generator().manual_seed(3)
padding = torch.arange(64).expand(32, 64) >= torch.randint(8, 64, (32, 1), generator=generator)
padding[0] = False
for number in range(STEPS):
    inputs, labels = torch.rand(32, 64, 64, generator=generator), torch.randint(10, (32,), generator=generator)
    optimizer.zero_grad()
    model.train()
    outputs = model(inputs, src_key_padding_mask=padding)
    nn.functional.cross_entropy(head(outputs.mean(1)), labels).backward()
    optimizer.step()
    if number % 4 == 0:
        model.eval()
        with torch.no_grad():
            evaluated = model(inputs, src_key_padding_mask=padding)
told(evaluated, *model.parameters())
""",
    "workers make the first tensors": """
from torch.utils.data import DataLoader
loaders = [iter(DataLoader(Images(), batch_size=4, num_workers=1, multiprocessing_context=way)) for way in ("fork", "spawn")]
first = [next(loader) for loader in loaders]  # and they live on
model = network()
optimizer = torch.optim.SGD(model.parameters(), 1e-2)
for number in range(STEPS):
    inputs, labels = first[number % 2]
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step()
told(*model.state_dict().values())
""",
    "lstm": """
from torch import nn
embed, layers, logits = nn.Embedding(500, 64), nn.LSTM(64, 128, num_layers=2, batch_first=True), nn.Linear(128, 500)
parameters = [*embed.parameters(), *layers.parameters(), *logits.parameters()]
optimizer = torch.optim.SGD(parameters, 0.1)
generator = torch.Generator().manual_seed(3)
for _ in range(STEPS):
    tokens = torch.randint(500, (16, 40), generator=generator)
    optimizer.zero_grad()
    outputs, _ = layers(embed(tokens[:, :-1]))
    nn.functional.cross_entropy(logits(outputs).flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()
told(*parameters)
""",
}

EVALUATING = ("loader and evaluation", "nested tensors")
STEPS = {"bfloat16": 8, "loader and evaluation": 16}  # of those that take long


def result_of(text):
    (line,) = [line for line in text.splitlines() if line.startswith("result ")]
    return line


@pytest.mark.parametrize("case", CASES)
def test_learns_the_same_to_the_bit(case, deeptm, tmp_path):
    script = tmp_path / "train.py"
    training = textwrap.indent(CASES[case].replace("STEPS", str(STEPS.get(case, 24))), "    ")
    script.write_text(f"{START}\ndef main():\n{training}\nif __name__ == '__main__':\n    main()\n")
    path = {"PYTHONPATH": str(pathlib.Path(__file__).parents[2] / "python")}
    stock = subprocess.run([sys.executable, script], env=os.environ | path, text=True, capture_output=True, timeout=300)
    assert stock.returncode == 0, stock.stderr
    bounded = deeptm("run", "--fast", "8MiB", "--", sys.executable, script, env=path)
    assert bounded.returncode == 0, bounded.stderr
    assert result_of(bounded.stdout) == result_of(stock.stdout)
    assert "fast memory: limit 8.00 MiB" in bounded.stderr
    training, others = map(int, re.search(r"steps: (\d+) training, (\d+) evaluation", bounded.stderr).groups())
    assert 0 < training <= STEPS.get(case, 24) + 1, bounded.stderr
    assert others <= 1 or case in EVALUATING, bounded.stderr
    left = re.search(r"(\d+) others left the plan", bounded.stderr)
    assert left is None or int(left[1]) <= training, bounded.stderr


SEVERAL = START + """
import sys, time
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch.nn.parallel import DistributedDataParallel

def train(rank, rendezvous):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    loss_of = torch.nn.CrossEntropyLoss()
    for number, (inputs, labels) in enumerate(batches(16)):
        if number % 2 == rank:
            optimizer.zero_grad()
            loss_of(model(inputs), labels).backward()
            optimizer.step()
    if rank == 0:
        told(*model.module.state_dict().values())
    dist.destroy_process_group()
    time.sleep(1)  # of PyTorch 2.13: the group's end waits for ever for a thread that still needs Python for the last work

if __name__ == "__main__":
    multiprocessing.spawn(train, (sys.argv[1],), nprocs=2)
"""


def test_processes_share_the_limit(deeptm, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SEVERAL)
    stock = subprocess.run([sys.executable, script, tmp_path / "stock"], text=True, capture_output=True, timeout=300)
    assert stock.returncode == 0, stock.stderr
    bounded = deeptm("run", "--fast", "24MiB", "--processes", 2, "--", sys.executable, script, tmp_path / "bounded")
    assert bounded.returncode == 0, bounded.stderr
    assert result_of(bounded.stdout) == result_of(stock.stdout)
    assert bounded.stderr.count("fast memory: limit 12.0 MiB") == 2, bounded.stderr
