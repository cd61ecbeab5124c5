"""Nearness: what a process of its own does to find near-duplicates, with Winnow and with its peers.

Belongs here: the cases of the table about near-duplicates; the second paragraph of a docstring says what the tool does
otherwise, and is shown below the table. Does not belong here: the documents (texts), or the table (near).

All look for documents whose sets of three words have a Jaccard similarity of at least 0.8.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.dedupe.near.postings import Pairs
    from tasks.dedupe.near.sets import Sets

    Work = Callable[[], Parts]

LEAST, WORDS = 0.8, 3
_PERMUTATIONS = 120
_BANDS = 20


def near_texts(folder: Path, name: str, count: str, seed: str) -> Work:
    """Writes documents; answers their bytes."""
    from tests.benchmarks.texts import write_templated, write_texts

    path = _path(folder, name)

    def work() -> Parts:
        if name == "templated":
            write_templated(path, count=int(count))
        else:
            write_texts(path, count=int(count), seed=int(seed))
        return Parts(answer=str(path.stat().st_size))

    return work


def near_winnow(folder: Path, name: str) -> Work:
    """Finds what stands for each document.

    It compares all documents, exactly.
    """
    from schemas.policies import Near
    from tasks.dedupe.near.join import survivors

    near = Near("text", jaccard=LEAST, words=WORDS)

    def work() -> Parts:
        of = survivors(_sets(folder, name), near)
        return Parts(rows=int((of == np.arange(of.size)).sum()))

    return work


def near_pairs(folder: Path, name: str) -> Work:
    """Finds all pairs of similar documents; answers how many, and a digest of them."""
    from schemas.policies import Near
    from tasks.dedupe.near.join import similar_pairs

    def work() -> Parts:
        return _told(similar_pairs(_sets(folder, name), Near("text", jaccard=LEAST, words=WORDS)))

    return work


def near_brute(folder: Path, name: str) -> Work:
    """Compares every document with every other one, by a product of matrices; answers as `near_pairs` does."""
    from scipy.sparse import csr_array

    from tasks.dedupe.near.postings import Pairs

    texts = _texts(folder, name).to_list()

    def work() -> Parts:
        numbers: dict[tuple[str, ...], int] = {}
        rows = [
            sorted({numbers.setdefault(each, len(numbers)) for each in zip(*(words[at:] for at in range(3)))})  # noqa: B905
            for words in map(str.split, texts)
        ]
        ends = np.cumsum([0, *map(len, rows)])
        columns = np.concatenate([np.array(row, np.int64) for row in rows])
        matrix = csr_array((np.ones(columns.size, np.int32), columns, ends), shape=(len(rows), len(numbers)))
        sizes, turned, found = np.diff(ends), matrix.T.tocsr(), []
        for start in range(0, len(rows), 1000):
            shared = (matrix[start : start + 1000] @ turned).tocoo()
            one, other = shared.coords[0].astype(np.int64) + start, shared.coords[1].astype(np.int64)
            near = (one > other) & (5 * shared.data >= 4 * (sizes[one] + sizes[other] - shared.data))
            found.append(np.stack([one[near], other[near]]))
        pairs = np.concatenate(found, axis=1)
        order = np.lexsort((pairs[1], pairs[0]))
        return _told(Pairs(pairs[0][order], pairs[1][order]))

    return work


def near_datasketch(folder: Path, name: str) -> Work:
    """MinHash of 120 permutations and an LSH index, each document asked for before it is inserted.

    It estimates: nothing that it found was compared.
    """
    from datasketch import MinHash, MinHashLSH

    texts = _texts(folder, name).to_list()

    def work() -> Parts:
        index, kept = MinHashLSH(threshold=LEAST, num_perm=_PERMUTATIONS), 0
        for number, text in enumerate(texts):
            words = text.split()
            sketch = MinHash(num_perm=_PERMUTATIONS)
            sketch.update_batch([" ".join(words[at : at + WORDS]).encode() for at in range(len(words) - WORDS + 1)])
            kept += not index.query(sketch)
            index.insert(number, sketch)
        return Parts(rows=kept)

    return work


def near_datatrove(folder: Path, name: str) -> Work:
    """Its four steps of MinHash deduplication with 120 hashes, one process.

    It estimates; words are split at spaces, since its own splitter wants a model, and hashed by its SHA-1, since its
    xxhash fails with the installed one; texts are simplified, as it does.
    """
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, minhash
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.logging import logger

    class Spaces:
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    minhash.load_word_tokenizer = lambda _language: Spaces()
    logger.remove()
    texts = _texts(folder, name).to_list()
    hashes = HashConfig(hash_fc="sha1")
    config = minhash.MinhashConfig(
        n_grams=WORDS, num_buckets=_BANDS, hashes_per_bucket=_PERMUTATIONS // _BANDS, hash_config=hashes
    )
    signatures, buckets, removed = (str(folder / "out" / each) for each in ("signatures", "buckets", "removed"))

    def work() -> Parts:
        documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
        minhash.MinhashDedupSignature(output_folder=signatures, config=config).run(iter(documents), 0, 1)
        for bucket in range(_BANDS):
            MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, _BANDS)
        MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
        return Parts(rows=sum(1 for _ in MinhashDedupFilter(removed).run(iter(documents), 0, 1)))

    return work


def _path(folder: Path, name: str) -> Path:
    return folder / f"texts-{name}.arrow"


def _texts(folder: Path, name: str) -> pl.Series:
    from tasks.store.spill import mapped

    return mapped(str(_path(folder, name))).to_series()


def _sets(folder: Path, name: str) -> Sets:
    from schemas.policies import Near
    from tasks.dedupe.near.sets import sets_of
    from tasks.store.local import open_store
    from tasks.store.spill import Spill

    store = open_store(str(folder / "out" / "store"))

    def spills(kind: str, *, by: str, numbers: int, at_once: int) -> Spill:
        return Spill(store, f"near/_staging/{kind}", by=by, numbers=numbers, at_once=at_once)

    texts = _texts(folder, name)
    numbers = np.arange(texts.len(), dtype=np.uint32)
    return sets_of([(texts, numbers)], texts.len(), Near("text", jaccard=LEAST, words=WORDS), spills)


def _told(pairs: Pairs) -> Parts:
    digest = hashlib.sha256(np.stack([pairs.one, pairs.other]).astype("<i8").tobytes()).hexdigest()
    return Parts(answer=f"{pairs.one.size} {digest[:16]}")


CASES = {
    case.__name__: case for case in (near_texts, near_winnow, near_pairs, near_brute, near_datasketch, near_datatrove)
}
