package import NIOCore
package import P2PCore

extension YamuxSession {
    /// What comes of one stream's turn: the frames to write, in the order in which they stand here, and what else follows.
    package struct Turn: Equatable, Sendable {
        /// Goes in front of the bytes that were offered; without it they are not to go out.
        package var data: YamuxHeader?
        /// A half-close that needs a frame of its own.
        package var finish: YamuxHeader?
        /// Credit for the peer.
        package var update: YamuxHeader?
        /// A reset, or the first frame of a stream that has nothing to send.
        package var lone: YamuxHeader?
        /// The half-close that was offered is in one of the frames.
        package var hasFinished = false
        /// What the reader is to consume from now on before its credit is worth returning, where that has changed; in bytes.
        package var creditThreshold: Int?
        /// When to look for streams that nobody here reads any more; see ``abandonLingering(at:)``.
        package var lingersUntil: NIODeadline?
        /// There are more bytes, and there is credit for them.
        package var isStillReady = false
        /// The session has forgotten the stream.
        package var isClosed = false
    }

    /// A stream has its turn, with what was found in it: at most ``sendable(on:)`` bytes.
    package mutating func turn(of id: UInt32, offering offer: borrowing StreamBuffer.Drained, at now: NIODeadline) -> Turn {
        var turn = Turn()
        if let code = offer.reset {
            turn.lone = self.reset(id, code)
            turn.isClosed = true
            return turn
        }
        let (count, isLast) = (offer.copied, offer.finish)
        if count > 0 || isLast, let outgoing = self.send(count, finish: isLast, on: id) {
            turn.data = outgoing.header
            turn.finish = outgoing.finish
            turn.hasFinished = isLast
            turn.isClosed = outgoing.isClosed
        }
        if offer.credit > 0 {
            let before = self.creditThreshold(of: id)
            turn.update = self.consume(offer.credit, waiting: offer.waiting, on: id, at: now)
            let threshold = self.creditThreshold(of: id)
            if threshold != before { turn.creditThreshold = threshold }
        }
        if offer.stopReading {
            self.stopReading(id, at: now)
            turn.lingersUntil = now + TimeAmount(self.configuration.lingerTimeout)
        }
        // ACK can wait for a frame that goes out anyway; SYN can't: the peer is to hear of the stream.
        if turn.data == nil, turn.update == nil, self.isUnannounced(id) { turn.lone = self.announce(id) }
        turn.isStillReady = offer.remaining > 0 && self.sendable(on: id) > 0
        return turn
    }
}
