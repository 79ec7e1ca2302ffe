"""Commands for the first steps: doctor, init, list, cache, completion."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from prsbench.harness.cli.arguments import Commands, add, add_json
from prsbench.harness.cli.exit_codes import OK, SOME_FAILED


def add_commands(commands: Commands) -> None:
    summary = (
        "Check this installation and machine: packages, weights, Ray, memory, disk, GPU; say what to do. Exit 1 on a problem."
    )
    add(commands, "doctor", _doctor, summary, add_json)
    summary = "Write a commented grid and a method to start from, which run as they are."
    init = add(commands, "init", _init, summary)
    init.add_argument("folder", type=Path, metavar="DIR", help="where to write grid.yaml and my_method.py")
    lists = add(commands, "list", _list, "List the methods, data sources, families of questions, metrics or grids.")
    lists.add_argument("what", choices=("methods", "datasets", "families", "metrics", "grids"))
    add_json(lists)
    cache = add(commands, "cache", _cache, "Show what is cached in your home folder; --clear deletes it. It costs only time.")
    cache.add_argument("--clear", nargs="*", metavar="KIND", help="delete these kinds (hashes, sentences, ...), or all")
    add_json(cache)
    completion = add(commands, "completion", _completion, "Print a script that completes commands and options on Tab.")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), help='such as bash: eval "$(prsbench completion bash)"')


def _doctor(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.engine.apart.process import Apart
    from prsbench.harness.engine.driver.ray_start import try_ray
    from prsbench.harness.engine.worker.process import try_gpus
    from prsbench.harness.installation import doctor
    from prsbench.methods.catalog import METHODS, PACKAGED_JUDGE, PARTS
    from prsbench.methods.parts.weights.packaged import locate

    entries = [*METHODS.values(), *PARTS.values(), PACKAGED_JUDGE]
    files = dict.fromkeys(file for entry in entries for file in entry.packaged)
    users = {file: tuple(entry.name for entry in entries if file in entry.packaged) for file in files}
    found = []
    for check in doctor.checks(doctor.Weights(users, locate), try_ray, partial(Apart().call, try_gpus, timeout_s=120)):
        found.append(check)
        if not options.json:
            print("\n".join(doctor.lines(check)), flush=True)
    if options.json:
        print(json.dumps(doctor.as_json(found), indent=1))
    return SOME_FAILED if any(check.state is doctor.State.PROBLEM for check in found) else OK


def _init(options: argparse.Namespace) -> int:
    import shlex

    from prsbench.methods.authoring.skeleton import write_project

    grid, method = write_project(options.folder)
    print(f"{grid} and {method} are ready. Next:\n  cd {shlex.quote(str(options.folder))}\n  prsbench run {grid.name}")
    return OK


def _list(options: argparse.Namespace) -> int:
    known = _names(options.what)
    if options.json:
        import json

        print(json.dumps(dict(known), indent=1))
        return OK
    width = max(map(len, known))
    for name, summary in known.items():
        print(f"{name:{width}}  {summary}")
    return OK


def _names(what: str) -> Mapping[str, str]:
    """Names in one catalog, with their summaries."""
    if what == "methods":
        from prsbench.methods.catalog import METHODS

        return {name: entry.summary for name, entry in METHODS.items()}
    if what == "metrics":
        from prsbench.metrics.catalog import METRICS

        return {name: metric.title for name, metric in METRICS.items()}
    if what == "families":
        from prsbench.harness.contract.families import FAMILIES

        return {name: family.rule for name, family in FAMILIES.items()}
    if what == "grids":
        from prsbench.harness.engine.grid.packaged import packaged_grids

        return packaged_grids()
    from prsbench.datasets.catalog import SOURCES

    return {name: source.title for name, source in SOURCES.items()}


def _cache(options: argparse.Namespace) -> int:
    import json

    from prsbench.harness.contract.errors import unknown_name
    from prsbench.harness.contract.files import cache_folder
    from prsbench.harness.installation.cache import cached, clear, size_text

    kinds = {kind.name: kind for kind in cached()}
    if options.clear is not None:
        for name in options.clear:
            if name not in kinds:
                raise unknown_name("kind in the cache", name, kinds)
        n_bytes = clear([kind for kind in kinds.values() if not options.clear or kind.name in options.clear])
        print(json.dumps({"deleted_bytes": n_bytes}) if options.json else f"Deleted {size_text(n_bytes)} from {cache_folder()}.")
        return OK
    if options.json:
        sizes = {name: {"bytes": kind.n_bytes, "files": list(map(str, kind.paths))} for name, kind in kinds.items()}
        print(json.dumps({"folder": str(cache_folder()), "kinds": sizes}, indent=1))
        return OK
    print(f"{cache_folder()}: {size_text(sum(kind.n_bytes for kind in kinds.values()))}")
    for kind in kinds.values():
        print(f"  {kind.name:10} {size_text(kind.n_bytes):>10}  {kind.title}, {len(kind.paths)} files or folders")
    return OK


def _completion(options: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(options.parser, options.shell))
    return OK
