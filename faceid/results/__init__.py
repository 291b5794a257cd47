"""The results of faceid: frozen dataclasses, which the command line writes as JSON, field for field."""

from __future__ import annotations

from faceid.results.decisions import CompareResult, FaceResult, IdentifyResult, Point, VerifyResult
from faceid.results.enrolment import AlreadyEnrolled, EnrollResult, EnrollSummary
from faceid.results.gallery import (
    ConfirmResult,
    IdentityInfo,
    ImportRefusal,
    ReembedFailure,
    ReembedResult,
    RemoveResult,
    RenameResult,
    TemplateInfo,
    TransferResult,
)
from faceid.results.index import IndexDifference, IndexResult, IndexStatus, IndexVerification, SnapshotInfo
from faceid.results.networks import (
    CalibrationResult,
    CheckResult,
    MeasuredThreshold,
    ModelInfo,
    TrainResult,
)
from faceid.results.policies import (
    AlikeReport,
    GalleryRates,
    PolicyReport,
    PolicyRow,
    PolicyState,
    PolicyTransfer,
)
from faceid.results.problem import Problem, Reason, ReembedReason

__all__ = [
    "AlikeReport",
    "AlreadyEnrolled",
    "CalibrationResult",
    "CheckResult",
    "CompareResult",
    "ConfirmResult",
    "EnrollResult",
    "EnrollSummary",
    "FaceResult",
    "GalleryRates",
    "IdentifyResult",
    "IdentityInfo",
    "ImportRefusal",
    "IndexDifference",
    "IndexResult",
    "IndexStatus",
    "IndexVerification",
    "MeasuredThreshold",
    "ModelInfo",
    "Point",
    "PolicyReport",
    "PolicyRow",
    "PolicyState",
    "PolicyTransfer",
    "Problem",
    "Reason",
    "ReembedFailure",
    "ReembedReason",
    "ReembedResult",
    "RemoveResult",
    "RenameResult",
    "SnapshotInfo",
    "TemplateInfo",
    "TrainResult",
    "TransferResult",
    "VerifyResult",
]
