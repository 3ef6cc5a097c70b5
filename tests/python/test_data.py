# SPDX-License-Identifier: Apache-2.0
"""Batches: their shapes and ranges, the same for the same seed, and clear words about bad files."""

import gzip

import numpy as np
import pytest

from conftest import write_idx
from deeptm import data
from deeptm.errors import BadInput


def batches(dataset, count):
    return [(x.numpy(), y.numpy()) for x, y in dataset.take(count)]


def equal(left, right):
    return all(np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(left, right, strict=True))


@pytest.mark.parametrize("source", data.SOURCES)
@pytest.mark.parametrize("kind", ["image", "tokens"])
def test_the_seed_decides_the_batches(kind, source, fashion):
    def make(seed):
        return batches(data.make(kind, source, batch=4, image=32, steps=5, seed=seed, folder=fashion[0]), 5)

    assert equal(make(1), make(1))
    assert not equal(make(1), make(2))


def test_images_come_in_the_order_of_the_seeded_permutation(fashion):
    folder, images, labels = fashion
    order = np.random.default_rng(3).permutation(20)
    got = batches(data.make("image", "fashion-mnist", batch=5, image=28, steps=4, seed=3, folder=folder), 4)
    inputs = np.concatenate([x for x, _ in got])
    # 28 is the size they have, so resizing changes nothing.
    np.testing.assert_array_equal(inputs, np.repeat((images[order] / np.float32(255))[..., None], 3, axis=-1))
    np.testing.assert_array_equal(np.concatenate([y for _, y in got]), labels[order])


def test_images_start_again_when_all_were_seen(fashion):
    got = batches(data.make("image", "fashion-mnist", batch=10, image=28, steps=4, seed=3, folder=fashion[0]), 4)
    assert equal(got[:2], got[2:])
    assert not equal(got[:1], got[1:2])


def test_images_are_resized_to_three_channels(fashion):
    ((inputs, labels),) = batches(data.make("image", "fashion-mnist", batch=3, image=65, steps=1, seed=1, folder=fashion[0]), 1)
    assert inputs.shape == (3, 65, 65, 3) and inputs.dtype == np.float32 and labels.dtype == np.int32
    assert 0 <= inputs.min() and inputs.max() <= 1
    np.testing.assert_array_equal(inputs[..., 0], inputs[..., 1])
    np.testing.assert_array_equal(inputs[..., 0], inputs[..., 2])


def test_labels_of_tokens_are_the_tokens_that_follow(fashion):
    folder, images, _ = fashion
    stream = images[np.random.default_rng(1).permutation(20)].reshape(-1)
    got = batches(data.make("tokens", "fashion-mnist", batch=2, image=100, steps=3, seed=1, folder=folder), 3)
    np.testing.assert_array_equal(np.concatenate([x.ravel() for x, _ in got]), stream[:600])
    np.testing.assert_array_equal(np.concatenate([y.ravel() for _, y in got]), stream[1:601])


@pytest.mark.parametrize(("kind", "shape"), [("image", (4, 30, 30, 3)), ("tokens", (4, 30))])
def test_random_data_is_one_batch_given_again(kind, shape):
    first, second = batches(data.make(kind, "random", batch=4, image=30, steps=2, seed=1), 2)
    assert equal([first], [second])
    assert first[0].shape == shape
    assert 0 <= first[1].min() and first[1].max() < data.CLASSES[kind, "random"]


def test_missing_files_name_the_package(tmp_path):
    with pytest.raises(BadInput, match="train-images-idx3-ubyte.gz is missing: sudo apt-get install dataset-fashion-mnist"):
        data.load_fashion_mnist(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not gzip at all", "can't be read"),
        (gzip.compress(b"\0\0\x08\x03" + b"\0\0\0\x05" * 3 + b"x" * 100)[:-20], "can't be read"),
        (gzip.compress(b"\0\0\x08\x03"), "is not an IDX file of 3-dimensional bytes"),
        (gzip.compress(b"\0\0\x08\x01" + b"\0" * 40), "is not an IDX file of 3-dimensional bytes"),
        (gzip.compress(b"\0\0\x08\x03" + b"\0\0\0\x05" * 3 + b"x" * 100), "holds 100 bytes of data, its header says 125"),
    ],
)
def test_broken_files_are_named(fashion, content, says):
    folder = fashion[0]
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(BadInput, match=f"train-images-idx3-ubyte.gz.*{says}"):
        data.load_fashion_mnist(folder)


def test_images_and_labels_must_be_as_many(fashion):
    folder = fashion[0]
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(19, np.uint8))
    with pytest.raises(BadInput, match="20 images but 19 labels"):
        data.load_fashion_mnist(folder)


def test_sequences_longer_than_the_data_are_refused(fashion):
    with pytest.raises(BadInput, match="--image 20000 is longer than all of Fashion-MNIST, 15680 tokens"):
        data.make("tokens", "fashion-mnist", batch=1, image=20000, steps=1, seed=1, folder=fashion[0])
