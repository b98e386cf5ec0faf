public import NIOCore
import Synchronization

/// How far an arrival has come on its way to a connection. Its transport tells, and whoever has to make room looks.
///
/// Telling is a store without a lock, and happens a handful of times for each arrival.
public final class ArrivalProgress: Sendable {
    /// What an arrival has shown, the least first.
    public enum Stage: UInt8, Sendable, Comparable, CaseIterable {
        /// Not a byte.
        case silent
        /// Bytes, which need not mean anything.
        case heard
        /// The handshake of what carries it, such as a WebSocket's.
        case opened
        /// The secure channel is agreed on.
        case negotiated
        /// The secure handshake is under way: the peer has said its first part.
        case handshaking

        /// An earlier stage is less than a later one.
        public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    private static let stageBits: UInt64 = 3

    /// The stage in the lowest bits, and the time at which it began in the others.
    private let state: Atomic<UInt64>

    /// An arrival that has shown nothing yet.
    ///
    /// - Parameter now: when it arrived.
    public init(_ stage: Stage = .silent, at now: NIODeadline = .now()) {
        self.state = Atomic(Self.packed(stage, now))
    }

    private static func packed(_ stage: Stage, _ time: NIODeadline) -> UInt64 {
        time.uptimeNanoseconds << Self.stageBits | UInt64(stage.rawValue)
    }

    /// It has come to this stage. An earlier stage than the one that it is in changes nothing. One thread at a time.
    public func advance(to stage: Stage, at now: NIODeadline = .now()) {
        guard stage > self.current.stage else { return }
        self.state.store(Self.packed(stage, now), ordering: .relaxed)
    }

    /// How far it has come.
    public var stage: Stage { self.current.stage }

    /// The stage, and when it came to that.
    package var current: (stage: Stage, since: NIODeadline) {
        let state = self.state.load(ordering: .relaxed)
        let stage = Stage(rawValue: UInt8(truncatingIfNeeded: state & (1 << Self.stageBits - 1))) ?? .silent
        return (stage, .uptimeNanoseconds(state >> Self.stageBits))
    }
}
