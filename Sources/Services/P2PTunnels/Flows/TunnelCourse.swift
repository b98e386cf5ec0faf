import NIOCore
import P2PCore

/// One tunnelled connection from its first byte to its last: what becomes of an end, a failure, or silence. No socket, no stream, no clock.
///
/// The socket's end and the stream's are each passed on, and neither ends the other direction; what breaks one breaks both.
struct TunnelCourse: Sendable {
    /// What is to be done.
    enum Step: Sendable, Equatable {
        case nothing
        /// Half-close the stream, behind what it was given.
        case finishStream
        /// Half-close the socket, behind what it was given.
        case finishSocket
        /// Both have ended: let both go, behind what they were given.
        case close
        /// The peer is gone, and the program has been given everything: let it go, as soon as it has taken that (``taken()``).
        case closeWhenTaken
        /// Half-close the stream, and then let both go.
        case finishStreamAndClose
        /// Nobody reads what the stream brings any more: tell the peer, once what it was given has left.
        case abandon
        /// Reset both, at once.
        case abort
    }

    struct Times: Sendable {
        /// Nil for as long as it likes.
        var idle: TimeAmount?
        var halfClosedIdle: TimeAmount
    }

    private let times: Times
    /// Keep the end of what the socket says from the peer for so long; nil passes it on at once.
    var finishHold: TimeAmount?
    private var hasSocketEnded = false
    private var hasStreamEnded = false
    /// The peer is gone, and has said all that it will: what of it the program has not taken yet is all that is left.
    private var isPeerGone = false
    private var hurriedEnd: NIODeadline?
    private var isOver = false
    private var heldUntil: NIODeadline?
    private var lastMove: NIODeadline

    init(_ times: Times, at now: NIODeadline) {
        self.times = times
        self.lastMove = now
    }

    /// Whether the peer may still send.
    var readsStream: Bool { !self.hasStreamEnded && !self.isOver }

    /// How long a program may take nothing of what a peer that is gone had said, where somebody waits for the end.
    static let hurriedIdle = TimeAmount.seconds(10)
    /// How long it may take for all of it then, however little at a time.
    static let hurriedTime = TimeAmount.seconds(60)

    /// When ``passed(at:)`` is to be called; nil while nothing can become due.
    var deadline: NIODeadline? {
        guard !self.isOver else { return nil }
        if let heldUntil, !self.isPeerGone { return heldUntil }
        let silent = self.silence.map { self.lastMove + $0 }
        return [silent, self.hurriedEnd].compactMap { $0 }.min()
    }

    private var silence: TimeAmount? {
        if self.hurriedEnd != nil { return min(Self.hurriedIdle, self.times.halfClosedIdle) }
        return self.hasSocketEnded || self.hasStreamEnded || self.isPeerGone ? self.times.halfClosedIdle : self.times.idle
    }

    /// Bytes went one way or the other.
    mutating func moved(at now: NIODeadline) { self.lastMove = now }

    /// The local program has said all that it will.
    mutating func socketEnded(at now: NIODeadline) -> Step {
        guard !self.hasSocketEnded, !self.isOver else { return .nothing }
        self.hasSocketEnded = true
        self.lastMove = now
        if self.hasStreamEnded { return self.end(.finishStreamAndClose) }
        if let hold = self.finishHold {
            self.heldUntil = now + hold
            return .nothing
        }
        return .finishStream
    }

    /// The peer has said all that it will.
    mutating func streamEnded(at now: NIODeadline) -> Step {
        guard !self.hasStreamEnded, !self.isOver else { return .nothing }
        self.hasStreamEnded = true
        self.lastMove = now
        guard self.hasSocketEnded else { return .finishSocket }
        let wasHeld = self.heldUntil != nil
        self.heldUntil = nil
        return self.end(wasHeld ? .finishStreamAndClose : .close)
    }

    /// The socket is gone, by an error or not.
    mutating func socketClosed() -> Step {
        guard !self.isOver else { return .nothing }
        // What it had said is whole; a program that closes fully says so in this way.
        return self.end(self.hasSocketEnded ? .abandon : .abort)
    }

    /// The stream was reset or lost. What the peer had finished is whole; it is like one that closes fully then.
    mutating func streamFailed() -> Step {
        guard !self.isOver else { return .nothing }
        guard self.hasStreamEnded else { return self.end(.abort) }
        return self.hasSocketEnded ? self.end(.close) : .closeWhenTaken
    }

    /// The program has taken all that there was for it.
    mutating func taken() -> Step { self.isOver ? .nothing : self.end(.close) }

    /// The peer is gone, and had said all that it will: that still goes to the program, which is heard no more.
    ///
    /// - Parameter isHurried: somebody waits for the end, so that it has ten seconds for each piece, and a minute for all.
    mutating func peerLeft(isHurried: Bool, at now: NIODeadline) {
        let isNews = !self.isPeerGone || isHurried && self.hurriedEnd == nil
        guard isNews else { return }
        self.lastMove = now
        self.isPeerGone = true
        if isHurried { self.hurriedEnd = now + Self.hurriedTime }
    }

    /// Somebody wants it to end.
    mutating func cancelled() -> Step { self.isOver ? .nothing : self.end(.abort) }

    /// It is so late now.
    mutating func passed(at now: NIODeadline) -> Step {
        guard let deadline = self.deadline, deadline <= now else { return .nothing }
        if self.heldUntil != nil, !self.isPeerGone {
            self.heldUntil = nil
            self.lastMove = now
            return .finishStream
        }
        return self.end(.abort)
    }

    private mutating func end(_ step: Step) -> Step {
        self.isOver = true
        return step
    }
}
