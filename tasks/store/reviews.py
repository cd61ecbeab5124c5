"""Reviews in the store: each import of decisions as an object that is made once.

Belongs here: reading and making them, and handing them to another store. Does not belong here: what a file of
decisions looks like, and which decision holds (tasks/audit/review).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from schemas.reviews import Decision, Review
from tasks.store.documents import decoded, encoded
from tasks.store.paths import review_key, review_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tasks.store.home import Store


def read_reviews(store: Store, dataset: str) -> tuple[Review, ...]:
    """All reviews of a data set, by id.

    Raises:
        StoreError: one can't be read.
    """
    fix = "Restore it from a backup: without it, the labels that it decided on would be the old ones again."
    keys = store.list(review_prefix(dataset))
    found = [decoded(store.read(key), Review, what="a review", key=key, fix=fix) for key in keys]
    return tuple(sorted(found, key=lambda review: review.id))


def review_of(decisions: Sequence[Decision], imported_at: str) -> Review:
    """Decisions as a review, whose id says what they are."""
    ordered = tuple(sorted(decisions, key=_order))
    digest = hashlib.sha256(msgspec.json.encode(ordered, order="sorted")).hexdigest()
    return Review(digest[:16], imported_at, ordered)


def _order(decision: Decision) -> tuple[str, int, str, str, str]:
    return decision.file, decision.record, decision.column, decision.decided_at, decision.reviewer


def keep_review(store: Store, dataset: str, review: Review) -> bool:
    """Keeps a review; says whether it was new.

    Raises:
        StoreError: the store can't be written.
    """
    return store.create(review_key(dataset, review.id), encoded(review))


def take_reviews(store: Store, other: Store, dataset: str, ids: Collection[str] | None = None) -> None:
    """Lets another store, in which the same is cleaned for a while, know what reviewers decided.

    Args:
        store: has the reviews.
        other: receives them.
        dataset: name of the data set.
        ids: of those that are wanted; None is all.

    Raises:
        StoreError: the stores can't be read or written.
    """
    for review in read_reviews(store, dataset):
        if ids is None or review.id in ids:
            keep_review(other, dataset, review)


def concerning(reviews: Iterable[Review], files: Collection[str]) -> tuple[str, ...]:
    """Ids of the reviews that decide about records of these files, sorted."""
    return tuple(sorted(review.id for review in reviews if any(each.file in files for each in review.decisions)))
