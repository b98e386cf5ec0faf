import NIOCore
import P2PCore

/// Asks over a connection whether its peer is still there: a ping of the muxer, where there is one, and a stream that asks for ping as any stream
/// does (multistream-select). Whatever comes back counts, a refusal, too, so it works with every muxer and every peer.
struct LivenessProbe: Sendable {
    /// How long a peer has to answer: long enough for a few retransmissions on a bad path.
    static let patience = Duration.seconds(3)

    private static let question = ByteBuffer(string: "\u{13}/multistream/1.0.0\n\u{11}/ipfs/ping/1.0.0\n")

    let clock: HostClock

    /// Whether anything came from the peer by the deadline. Returns as soon as it has; false when the task is cancelled.
    func answers(_ connection: any MuxedConnection, by deadline: NIODeadline) async -> Bool {
        let before = connection.traffic.bytesIn
        (connection as? any ProbedConnection)?.probe()
        let isAnswered = await self.clock.result(by: deadline, late: { _ in }, of: { await Self.ask(connection) })
        return isAnswered ?? false || connection.traffic.bytesIn != before
    }

    private static func ask(_ connection: any MuxedConnection) async -> Bool {
        do throws(ConnectionError) {
            let stream = try await connection.openStream()
            defer { stream.reset() }
            if await Self.isAnswered(stream) { return true }
        } catch {
            // It has so much to do that it takes no more.
            if error.code == .resourceLimit || error.code == .streamIDsExhausted { return true }
        }
        // It is ending. Whether anybody is there shows in what arrives.
        await Signal().wait()
        return false
    }

    private static func isAnswered(_ stream: PeerStream) async -> Bool {
        do throws(StreamError) {
            try await stream.write(Self.question)
            _ = try await stream.read(upTo: 1)
            return true
        } catch {
            return error.code == .reset
        }
    }
}
