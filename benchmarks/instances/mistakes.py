"""What the mistakes of a network are: python benchmarks/instances/mistakes.py --root DATA --work WORK.

Of the last planes of a section: the shares of affinities that are wrong at a probability of 0.5, how much of the wrong
joins is critical, and VOI and normalised expected run length of the mutex watershed. Checkpoints are those of `run.py`.
"""

from __future__ import annotations

import argparse

import torch
import volume
from run import add_places, join, make_instances, measure, predict, read_arm, start

from monai_topoloss import critical_affinities, label_affinities, skeleton_trees


def main() -> None:
    """Print the shares."""
    args = parse_arguments()
    parser = read_arm(args.arm)
    item = {key: image[:, -args.planes :] for key, image in volume.read(args.root, args.section).items()}
    run = start(parser, args.seed, item, torch.device("cpu"))
    run.load(args.work / args.arm / f"{args.seed}.pt")
    logits, label = predict(run, item)
    n = parser.get_parsed_content("n_joining")
    edges = parser.get_parsed_content("edges")[:n]
    truth, joined = join(label, edges), logits[:n] > 0
    true = torch.as_tensor(label_affinities(truth, edges))
    critical = torch.as_tensor(critical_affinities(joined, true, edges, tolerance=1).merges)
    wrong = joined & ~truth
    print(f"of affinities that part, above 0.5: {wrong.sum() / (~truth).sum():.3f}")
    print(f"of affinities that join, below 0.5: {(truth & ~joined).sum() / truth.sum():.3f}")
    print(f"of wrong joins, critical: {critical.sum() / wrong.sum().clamp(min=1):.3f}")
    found = make_instances(logits, parser, "mutex_watershed", args.probability)
    scores = measure(found, true[None], skeleton_trees(true, spacing=volume.SPACING))
    print(f"mutex watershed: VOI {scores['voi']:.3f}, normalised ERL {scores['nerl']:.3f}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--arm", default="bce")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--section", choices=list(volume.SECTIONS), default="training")
    parser.add_argument("--planes", type=int, default=50)
    parser.add_argument("--probability", type=float, default=0.3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
