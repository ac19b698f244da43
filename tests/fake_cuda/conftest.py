"""Runs jobs of ``work.py`` on the counterfeit device."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """Runs jobs in processes whose CUDA is counterfeit: ``work(jobs, ranks)``, results by rank."""
    build = runpy.run_path(str(HERE / "build.py"))
    reason = build["why_not"]()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("counterfeit")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(build["compile_runtime"](folder)),
        "TORCH_CUDNN_V8_API_DISABLED": "1",  # whose graphs would have to be counterfeited too
        "PYTORCH_NO_CUDA_MEMORY_CACHING": "1",  # new memory is zeros, so whatever is read is too
    }

    def run(jobs, ranks=1):
        (folder / "jobs.json").write_text(json.dumps(jobs))
        processes, results = [], [folder / f"results_{rank}.jsonl" for rank in range(ranks)]
        for rank in range(ranks):
            launched = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "FAKE_GPUS": ranks}
            launched["MASTER_ADDR"] = "127.0.0.1"
            own = {name: str(value) for name, value in launched.items()} if ranks > 1 else {}
            command = [sys.executable, HERE / "work.py", folder / "jobs.json", results[rank]]
            with open(folder / f"log_{rank}.txt", "w") as log:
                processes.append(
                    subprocess.Popen(command, env=environment | own, stdout=log, stderr=log)
                )
        codes = [process.wait(timeout=1200) for process in processes]
        logs = [(folder / f"log_{rank}.txt").read_text()[-2000:] for rank in range(ranks)]
        assert codes == [0] * ranks, "\n".join(logs)
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in results]

    return run
