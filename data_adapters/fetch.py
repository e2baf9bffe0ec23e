"""A published data set from the Hugging Face hub into a folder: `fetch("slake", folder)`.

Copies that others uploaded, for the authors' own releases stand behind forms and shared drives; what differs is in the
class of each data set. Showing source and licence first, and checking what came, is the caller's part:
`known(name).licence`, then `known(name)(folder).validate()`. The hub's address is HF_ENDPOINT, if that is set.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_adapters.path_vqa import PathVqa
from data_adapters.refusal import refusal
from data_adapters.slake import Slake
from data_adapters.tables.published import Published
from data_adapters.vqa_rad import VqaRad

DATA_SETS: tuple[type[Published], ...] = (Slake, VqaRad, PathVqa)
AGAIN = "the same again goes on, and keeps the files that are whole"


def known(name: str) -> type[Published]:
    """The class of a data set. Raises InputError that lists those that can be fetched."""
    for one in DATA_SETS:
        if one.name == name:
            return one
    raise refusal(f"data set {name!r}", f"one of {', '.join(one.name for one in DATA_SETS)}", "choose one of these")


def fetch(name: str, folder: str | Path, *, revision: str | None = None) -> Path:
    """The folder with the data set in it, which its class can open. Progress goes to stderr.

    revision: a branch, tag or commit of the hub's copy; its newest version by default.
    Only the files that are needed are fetched, and of those only what is not there. A connection that breaks is
    taken up where it broke while this runs; after an interruption the files that were whole are kept.
    Raises InputError where the hub does not give the files, they find no room, or are of another layout.
    """
    from huggingface_hub import HfApi, snapshot_download  # slow to import

    data_set, folder = known(name), Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise refusal(f"a file at {str(folder)!r}", "a folder, or a path to make one at", "choose another")
    with _telling(data_set.repository, revision):
        # By name of a branch, the hub's library would take a folder that is not empty for the answer of a silent hub.
        version = HfApi().dataset_info(data_set.repository, revision=revision).sha
        snapshot_download(
            data_set.repository,
            repo_type="dataset",
            revision=version,
            local_dir=folder,
            allow_patterns=list(data_set.files),
        )
    data_set(folder)
    return folder


@contextmanager
def _telling(repository: str, revision: str | None) -> Iterator[None]:
    """Whatever goes wrong is told in one line, and without the library's words: its addresses may carry a signature."""
    from huggingface_hub import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except Exception as error:
        found, expected, remedy = _words(error, repository, revision)
    else:
        return
    finally:
        logging.set_verbosity(verbosity)
    raise refusal(found, expected, remedy)


def _words(error: Exception, repository: str, revision: str | None) -> tuple[str, str, str]:
    """What was found and expected, and what to do."""
    from huggingface_hub import errors

    expected = f"the files of {repository} from the hub"
    log_in = "log in with `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # why the hub was of no help; that the file is not here, either, goes without saying
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE, which keeps MedFly from asking the hub", expected, "ask once without it"
    if isinstance(error, errors.GatedRepoError):
        return "files only for those who accepted the terms", expected, f"accept them on the hub, then {log_in}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"no version {revision!r}", expected, "leave the version out, or choose one of the copy's"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such repository for this visitor", expected, f"if it is private, {log_in}; else check HF_ENDPOINT"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return f"the hub's answer {status}", expected, log_in if status == 401 else "try again later"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "no room on the disk", expected, f"make room: {AGAIN}"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"a folder or connection that fails ({error.strerror})", expected, f"check both: {AGAIN}"
    return f"no whole answer from the hub ({type(error).__name__})", expected, f"check the connection: {AGAIN}"
