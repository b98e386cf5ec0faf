package import P2PMultiformats

/// A rule that the peer broke, each of which ends the connection: mplex has no word for it.
package enum MplexViolation: Error, Equatable, Sendable {
    /// A varint of more than nine bytes, or one that has a shorter spelling.
    case varint(MultiformatsError)
    /// A flag that the spec does not know.
    case flag(UInt8)
    /// A frame longer than 1 MiB.
    case frameTooLong(UInt64)
    /// A close or reset that brings bytes.
    case unexpectedBody(MplexHeader)
    /// A stream opened twice.
    case duplicateStream(MplexStreamID)
    /// More streams reset in a period than an honest peer resets.
    case tooManyResets
    /// More stream errors in a period: refused streams, overflowing streams, frames of streams that never were.
    case tooManyStreamErrors
    /// More frames without effect in a period: empty messages, half-closes of what is closed.
    case tooManyEmptyFrames
}

extension MplexViolation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .varint(let error): "\(error)"
        case .flag(let flag): "frame with flag \(flag)"
        case .frameTooLong(let length): "frame of \(length) bytes"
        case .unexpectedBody(let header): "\(header.flag) of stream \(header.number) with \(header.length) bytes"
        case .duplicateStream(let id): "stream \(id.number) opened twice"
        case .tooManyResets: "too many resets"
        case .tooManyStreamErrors: "too many stream errors"
        case .tooManyEmptyFrames: "too many frames without effect"
        }
    }
}
