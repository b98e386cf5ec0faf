import NIOCore
package import P2PCore
import Synchronization

/// The two ends of one stream, joined buffer to buffer, with a window each way.
///
/// Bytes move on whichever thread has something to move: the writer's, or that of the reader who gave credit. Each
/// direction has one carrier at a time, so bytes stay in order and nothing nests deeper than one direction in the other.
package final class MemoryStreamPair: MuxedStreamOwner {
    /// The most that is carried at once, in bytes; other streams get their turn in between only because of threads.
    static let recordSize = 64 * 1_024

    package enum End: Int, Sendable {
        case opener
        case acceptor

        var other: End { self == .opener ? .acceptor : .opener }
    }

    /// What one end may send, and who carries it.
    private struct Direction {
        /// Bytes that the sender may still send before the reader consumes some.
        var window: Int
        var isCarried = false
        var mustCarryAgain = false
        var isOver = false
    }

    private struct State {
        var directions: [Direction]
        var ends: [MuxedStream?]
        /// The acceptor's handle, until the first bytes introduce the stream to it.
        var unannounced: PeerStream?
    }

    private let state: Mutex<State>
    private let link: (any MemoryLink)?

    /// - Parameters:
    ///   - window: bytes that may be on the way, or unread, each way.
    ///   - link: is told of the stream's beginning at the far end, of its bytes and of its end.
    private init(window: Int, link: (any MemoryLink)?) {
        self.state = Mutex(
            State(directions: [Direction(window: window), Direction(window: window)], ends: [nil, nil], unannounced: nil))
        self.link = link
    }

    /// Makes a stream whose far end is handed to `link` with the first bytes.
    static func opening(window: Int, link: any MemoryLink) -> (pair: MemoryStreamPair, opener: PeerStream) {
        let pair = MemoryStreamPair(window: window, link: link)
        let (opener, acceptor) = pair.makeEnds(window: window)
        pair.state.withLock { $0.unannounced = acceptor }
        return (pair, opener)
    }

    /// Makes a stream of which both ends are in hand.
    package static func connected(window: Int) -> (opener: PeerStream, acceptor: PeerStream) {
        MemoryStreamPair(window: window, link: nil).makeEnds(window: window)
    }

    private func makeEnds(window: Int) -> (PeerStream, PeerStream) {
        let opener = MuxedStream(slot: End.opener.rawValue, owner: self, creditThreshold: max(1, window / 2))
        let acceptor = MuxedStream(slot: End.acceptor.rawValue, owner: self, creditThreshold: max(1, window / 2))
        self.state.withLock { $0.ends = [opener, acceptor] }
        return (PeerStream(opener), PeerStream(acceptor))
    }

    package func streamHasWork(_ stream: MuxedStream) {
        self.carry(from: stream.slot == End.opener.rawValue ? .opener : .acceptor)
    }

    // MARK: Carrying

    private func carry(from end: End) {
        let begins = self.state.withLock { state in
            let isCarried = state.directions[end.rawValue].isCarried
            state.directions[end.rawValue].mustCarryAgain = isCarried
            state.directions[end.rawValue].isCarried = true
            return !isCarried
        }
        guard begins else { return }
        while true {
            if self.carryOnce(from: end) { continue }
            let isDone = self.state.withLock { state in
                if state.directions[end.rawValue].mustCarryAgain {
                    state.directions[end.rawValue].mustCarryAgain = false
                    return false
                }
                state.directions[end.rawValue].isCarried = false
                return true
            }
            if isDone { return }
        }
    }

    /// Carries one record; true when there may be more to carry at once.
    private func carryOnce(from end: End) -> Bool {
        let (source, target, window) = self.state.withLock { state in
            (state.ends[end.rawValue], state.ends[end.other.rawValue], state.directions[end.rawValue].window)
        }
        guard let source, let target else { return false }
        var record = ByteBuffer()
        let drained = source.copy(upTo: min(window, Self.recordSize), to: &record)
        if let code = drained.reset {
            self.end(.both)
            target.fail(StreamError(.reset, "the peer reset the stream", resetCode: code))
            return false
        }
        if drained.copied > 0 || drained.finish { self.announce() }
        if drained.copied > 0 {
            let discarded = target.receive(record)
            self.link?.carried(drained.copied, from: end)
            self.state.withLock { $0.directions[end.rawValue].window += discarded - drained.copied }
        }
        if drained.finish {
            target.receiveFinish()
            source.finishLeft()
            self.end(.one(end))
        }
        if drained.credit > 0 {
            self.state.withLock { $0.directions[end.other.rawValue].window += drained.credit }
            self.carry(from: end.other)
        }
        return drained.copied > 0 && drained.remaining > 0
    }

    /// Shows the stream to the acceptor's side. A stream that nobody takes is reset by its handle going away.
    private func announce() {
        guard let stream = self.state.withLock({ $0.unannounced.take() }) else { return }
        if self.link?.announce(stream) != true { stream.reset(.resourceLimitExceeded) }
    }

    // MARK: Ending

    private enum Ended {
        case one(End)
        case both
    }

    private func end(_ ended: Ended) {
        let (isOver, unannounced) = self.state.withLock { state -> (Bool, PeerStream?) in
            guard state.ends[0] != nil else { return (false, nil) }
            switch ended {
            case .one(let end): state.directions[end.rawValue].isOver = true
            case .both: for index in state.directions.indices { state.directions[index].isOver = true }
            }
            guard state.directions.allSatisfy(\.isOver) else { return (false, nil) }
            state.ends = [nil, nil]
            return (true, state.unannounced.take())
        }
        withExtendedLifetime(unannounced) {}
        if isOver { self.link?.ended(self) }
    }

    /// Ends both halves, as a lost connection does.
    func fail(_ error: @Sendable (End) -> StreamError) {
        let ends = self.state.withLock { $0.ends }
        self.end(.both)
        ends[End.opener.rawValue]?.fail(error(.opener))
        ends[End.acceptor.rawValue]?.fail(error(.acceptor))
    }
}

/// What a pair of streams tells the connection that it belongs to. Called from any thread, outside every lock.
protocol MemoryLink: Sendable {
    /// The first bytes have arrived; false refuses the stream.
    func announce(_ stream: PeerStream) -> Bool
    /// Bytes went from one end to the other.
    func carried(_ count: Int, from end: MemoryStreamPair.End)
    /// Both sides are done with the stream.
    func ended(_ pair: MemoryStreamPair)
}
