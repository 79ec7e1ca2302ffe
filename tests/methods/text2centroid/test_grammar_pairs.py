import numpy as np
from prsbench.methods.text2centroid.grammar_pairs import pairs
from prsbench.metrics.text.position import _REACH, _REACH_OF_SEVERAL, parse


def test_one_seed_gives_the_same_pairs_and_more_of_them_begin_alike():
    first, longer = (pairs(np.random.default_rng(3), count) for count in (40, 60))
    assert longer[:40] == first and len(longer) == 60


def test_points_lie_in_the_frame_and_on_both_sides_alike():
    point_N2 = np.array([point for _, point in pairs(np.random.default_rng(4), 1200)])
    assert np.abs(point_N2).max() <= 1
    assert abs(point_N2[:, 0].mean()) < 1e-9, "each mask comes with its mirror image"


def test_two_seeds_share_few_sentences():
    first, second = ({sentence for sentence, _ in pairs(np.random.default_rng(seed), 1500)} for seed in (5, 6))
    assert len(first & second) < 0.03 * len(first)


def test_the_rule_parsers_points_are_the_mean_points_of_these_masks():
    by_word = {True: [], False: [], None: []}
    across, down = [], []
    for sentence, (x, y) in pairs(np.random.default_rng(7), 2400):
        said = parse(sentence)
        if len(said.zones) == 1 and said.zones != {"center"} and not said.points:
            [zone] = said.zones
            by_word[said.near] += [x if "right" in zone else -x, y if "bottom" in zone else -y]
        elif said.zones in ({"top left", "bottom left"}, {"top right", "bottom right"}):
            across.append(abs(x))
        elif said.zones in ({"top left", "top right"}, {"bottom left", "bottom right"}):
            down.append(abs(y))
    for word, reach in _REACH.items():
        assert abs(np.mean(by_word[word]) - reach) < 0.06, (word, np.mean(by_word[word]))
    assert np.abs(np.array(_REACH_OF_SEVERAL) - (np.mean(across), np.mean(down))).max() < 0.1, (np.mean(across), np.mean(down))
