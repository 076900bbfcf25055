"""gather: plumbing between a loop and what comes after it.

`Collected` cannot feed a second loop, and stages read a folder of folders, as they do on one machine.
"""

from components.image import IMAGE
from kfp import dsl


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gather(names: list[str], artifacts: dsl.Input[list[dsl.Artifact]], folder: dsl.Output[dsl.Artifact]) -> None:
    """Join artifacts into one folder, each under the name it carries.

    Args:
        names: The names that must be there.
        artifacts: What the tasks of a loop wrote, in any order.
        folder: A folder with one folder an artifact.
    """
    import shutil
    from pathlib import Path

    found = {artifact.metadata["name"]: artifact.path for artifact in artifacts}
    if sorted(found) != sorted(names) or len(artifacts) != len(names):
        raise ValueError(f"the loop gave {sorted(found)}, but {sorted(names)} are needed; run it again")
    for name, path in found.items():
        shutil.copytree(path, Path(folder.path, name))
