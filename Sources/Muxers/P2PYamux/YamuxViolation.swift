/// A rule that the peer broke, each of which ends the session with GoAway(protocol error).
package enum YamuxViolation: Error, Equatable, Sendable {
    /// A version other than 0.
    case version(UInt8)
    /// A frame type above 3.
    case type(UInt8)
    /// Flag bits without meaning, or a combination without meaning for the frame's type.
    case flags(UInt16)
    /// A data frame longer than any window may be.
    case frameTooLong(UInt32)
    /// A stream frame on stream 0, or a session frame on another one.
    case streamID(UInt32)
    /// A stream opened with an id of our own parity.
    case parity(UInt32)
    /// A stream opened twice.
    case duplicateStream(UInt32)
    /// More bytes than the stream's receive window allows.
    case windowOverrun(UInt32)
    /// A send window above 2^32 - 1.
    case windowOverflow(UInt32)
    /// More pings waiting for an answer than we are ready to remember.
    case tooManyPendingPongs
    /// More streams reset in a period than an honest peer resets.
    case tooManyResets
    /// More stream errors in a period: refused streams, frames of streams that never were.
    case tooManyStreamErrors
    /// More frames without effect in a period: pings, empty data, empty window updates.
    case tooManyControlFrames
}

extension YamuxViolation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .version(let version): "frame of version \(version)"
        case .type(let type): "frame of type \(type)"
        case .flags(let flags): "flags 0x\(String(flags, radix: 16))"
        case .frameTooLong(let length): "data frame of \(length) bytes"
        case .streamID(let id): "frame of this type on stream \(id)"
        case .parity(let id): "stream \(id) opened from the wrong side"
        case .duplicateStream(let id): "stream \(id) opened twice"
        case .windowOverrun(let id): "more data on stream \(id) than its window allows"
        case .windowOverflow(let id): "send window of stream \(id) above 2^32 - 1"
        case .tooManyPendingPongs: "too many pings at once"
        case .tooManyResets: "too many resets"
        case .tooManyStreamErrors: "too many stream errors"
        case .tooManyControlFrames: "too many control frames"
        }
    }
}
