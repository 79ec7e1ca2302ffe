"""The cache saves time and never changes a number."""

import multiprocessing
import sqlite3

import numpy as np
import pytest
import torch
from prsbench.methods.parts.language import sentence_cache
from prsbench.methods.parts.language.sentence_bert import SentenceEncoder
from prsbench.methods.parts.language.sentence_cache import SentenceCache

WORDS = ("mass", "polyp", "lesion in the upper left", "tumour that lies far from the center of the image")
SENTENCES = [f"A {word} {tail}." for word in WORDS for tail in ("is seen", "is seen at the top", "was found, near the border")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def vectors(n, width=8):
    return {f"sentence {i}": np.random.default_rng(i).random(width, dtype=np.float32) for i in range(n)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all((found[text] == vector).all() for text, vector in expected.items())


def test_what_was_put_is_found_by_another_and_what_was_not_is_not():
    kept = vectors(1200)
    SentenceCache("weights", 8).put(kept)
    assert_same(SentenceCache("weights", 8).get([*kept, "never put"]), kept)


def test_other_weights_another_width_or_other_threads_have_another_file(monkeypatch):
    paths = {SentenceCache("a", 8).path, SentenceCache("b", 8).path, SentenceCache("a", 9).path}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert len(paths | {SentenceCache("a", 8).path}) == 4


def test_an_embedding_whose_bytes_changed_is_not_believed():
    cache, kept = SentenceCache("weights", 8), vectors(3)
    cache.put(kept)
    with sqlite3.connect(cache.path) as database:
        database.execute("UPDATE known SET vector = zeroblob(32) WHERE sentence = 'sentence 1'")
        database.execute("UPDATE known SET vector = 'text' WHERE sentence = 'sentence 2'")
    assert_same(cache.get(list(kept)), {"sentence 0": kept["sentence 0"]})


@pytest.mark.parametrize("damage", [b"", b"not a database" * 1000])
def test_a_file_that_is_no_database_is_begun_afresh(damage):
    cache, kept = SentenceCache("weights", 8), vectors(3)
    cache.put(kept)
    cache.path.write_bytes(damage)
    assert cache.get(list(kept)) == {}
    cache.put(kept)
    assert_same(cache.get(list(kept)), kept)


def test_a_file_torn_in_the_middle_gives_nothing_that_was_not_put():
    cache, kept = SentenceCache("weights", 8), vectors(2000)
    cache.put(kept)
    data = bytearray(cache.path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    cache.path.write_bytes(bytes(data))
    found = cache.get(list(kept))
    assert all((vector == kept[text]).all() for text, vector in found.items()) and len(found) < len(kept)


def test_a_folder_that_cannot_be_written_stores_nothing_and_raises_nothing(folder):
    (folder / "prsbench").write_text("a file where the folder should be")
    cache = SentenceCache("weights", 8)
    cache.put(vectors(1))
    assert cache.get(["sentence 0"]) == {}


def test_without_a_home_nothing_is_stored_and_no_folder_is_made(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    SentenceCache("weights", 8).put(vectors(1))
    assert not list(tmp_path.iterdir())


def test_a_sentence_that_is_no_unicode_is_left_out_and_the_file_stays():
    cache, kept = SentenceCache("weights", 8), vectors(1)
    cache.put(kept)
    cache.put({"\ud800": kept["sentence 0"]})
    assert cache.get(["\ud800"]) == {} and cache.get(list(kept))


def test_a_file_grown_too_large_is_begun_afresh(monkeypatch):
    cache, kept = SentenceCache("weights", 8), vectors(3)
    cache.put(kept)
    monkeypatch.setattr(sentence_cache, "MOST_BYTES", 100)
    assert cache.get(list(kept)) == {}


def _write(start):
    for i in range(start, start + 20):
        SentenceCache("weights", 8).put({f"sentence {i}": np.full(8, i, np.float32)})


def test_writers_at_once_lose_nothing():
    fork = multiprocessing.get_context("fork")  # plain processes: a pool that ends can wait for a lock of a worker it has ended
    writers = [fork.Process(target=_write, args=(start,)) for start in range(0, 80, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    found = SentenceCache("weights", 8).get([f"sentence {i}" for i in range(80)])
    assert {text: int(vector[0]) for text, vector in found.items()} == {f"sentence {i}": i for i in range(80)}


@pytest.fixture
def one_thread():
    """As the engine sets it: several threads share a batch's work by its size, and round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_an_embedding_is_the_same_alone_in_company_and_from_the_cache(monkeypatch, one_thread):
    encoder = SentenceEncoder()

    def encode_anew(sentences):
        encoder.known.clear()
        with monkeypatch.context() as without_cache:
            without_cache.setattr(SentenceCache, "get", lambda self, sentences: {})
            return encoder.encode(sentences)

    alone = torch.cat([encode_anew([sentence]) for sentence in SENTENCES])
    assert torch.equal(alone, encode_anew(SENTENCES)) and torch.equal(alone[1:], encode_anew(SENTENCES[1:]))
    encoder.known.clear()
    encoder.network = None  # nothing is left to encode with
    assert torch.equal(alone, encoder.encode(SENTENCES))


def test_what_the_encoder_reads_from_a_damaged_cache_is_what_it_computes():
    first = SentenceEncoder()
    expected = first.encode(SENTENCES)
    with sqlite3.connect(first._cache.path) as database:
        database.execute("UPDATE known SET vector = zeroblob(1536)")
    assert torch.equal(SentenceEncoder().encode(SENTENCES), expected)


def test_embeddings_of_random_weights_are_never_stored(monkeypatch, folder):
    monkeypatch.setattr("prsbench.methods.parts.language.sentence_bert.locate", lambda file: None)
    SentenceEncoder().encode(SENTENCES[:1])
    assert not list(folder.rglob("*.sqlite"))
