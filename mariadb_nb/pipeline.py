"""Blocking pipelines.

Owns nothing but the waiting; what a pipeline does is in ``_pipeline``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ._cursor import DEFAULT
from ._pipeline import PipelineBase

if TYPE_CHECKING:
    from .connection import Connection
    from .runners import Run


class Pipeline(PipelineBase):
    """Statements that are sent ahead of their replies; made by ``Connection.pipeline``.

    A context manager: at its end everything is sent that was not. Then the first error
    that nobody has looked at is raised. If the block raises, what was not sent is
    forgotten.
    """

    _connection: Connection
    _run: Run

    def sync(self, *, timeout: float | None = DEFAULT) -> None:
        """Send what is queued, and read all answers.

        Errors of statements are for their ``Result`` to raise.

        Args:
            timeout: seconds that it may take; None for no limit. Default: the
                pipeline's.

        Raises:
            Busy: another operation is going on on the connection.
            OperationTimeout: the time was over.
        """
        self._run(self._sync(timeout))

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: object
    ) -> None:
        try:
            if error is None:
                self.sync()
        except BaseException as problem:
            error = problem
            raise
        finally:
            self._end(error)
