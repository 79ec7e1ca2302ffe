"""How the samples of a cell are cut into shards."""

from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.engine.store.shards import cut, shard_path, shards_in


@st.composite
def cells(draw):
    """(samples, batch size, shards, shards that exist already: some of another cut)."""
    n, size = draw(st.integers(0, 200)), draw(st.integers(1, 9))
    earlier = cut(n, size, draw(st.integers(1, 12)))
    begun = [part for part in earlier if draw(st.booleans())]
    return n, size, draw(st.integers(1, 12)), begun


@given(cells())
def test_shards_hold_every_sample_once_in_whole_batches_and_existing_ones_stay(cell):
    n, size, count, begun = cell
    parts = cut(n, size, count, begun)
    assert [sample for part in parts for sample in part] == list(range(n))
    assert all(part.start % size == 0 and (part.stop % size == 0 or part.stop == n) for part in parts)
    assert [part for part in parts if part in begun] == begun
    lengths = [-(-len(part) // size) for part in cut(n, size, count)]
    assert len(lengths) == min(count, -(-n // size)) and max(lengths, default=0) - min(lengths, default=0) <= 1


def test_the_shards_of_a_folder_are_found_in_order_of_their_samples(tmp_path):
    for part in (range(10_000_000, 10_000_008), range(8), range(8, 12)):
        shard_path(tmp_path, part).mkdir(parents=True)
    (tmp_path / "shards" / ".something").mkdir()
    assert shards_in(tmp_path) == [range(8), range(8, 12), range(10_000_000, 10_000_008)]
    assert shards_in(tmp_path / "none") == []
