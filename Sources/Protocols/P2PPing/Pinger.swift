import NIOCore
public import P2PCore
public import P2PIdentity
import Synchronization

/// The asking side of ping: measures round trips to one peer over one stream that stays open (ping spec, "Protocol").
///
/// One ping at a time; a second concurrent one throws ``StreamError/Code/busy``. A ping that fails gives up its stream, so
/// that a late answer is never taken for the next one; the next ping opens another.
public final class Pinger: Sendable {
    private enum Target {
        case peer(PeerID)
        case connection(ConnectionID)
    }

    private struct State {
        var stream: PeerStream?
        var isBusy = false
    }

    private let target: Target
    private let streams: any StreamOpening
    private let state = Mutex(State())

    /// Pings a peer, over a live connection or a new one.
    public init(_ peer: PeerID, opening streams: any StreamOpening) {
        self.target = .peer(peer)
        self.streams = streams
    }

    /// Pings over one connection, and never dials.
    public init(on connection: PeerConnection) {
        self.target = .connection(connection.info.id)
        self.streams = connection.host
    }

    /// Sends 32 random bytes and waits until they return.
    ///
    /// The first ping includes agreeing on the protocol, which travels along and costs no round trip of its own.
    ///
    /// - Parameter timeout: how long the answer may take; nil for as long as the connection lives.
    /// - Returns: the time from before the write until the answer was checked.
    /// - Throws: ``StreamError/Code/timedOut``; ``StreamError/Code/malformed`` when other bytes returned;
    ///   ``StreamError/Code/unexpectedEnd`` when the peer finished instead; or what opening or using the stream throws.
    public func ping(timeout: Duration? = .seconds(10)) async throws(StreamError) -> Duration {
        let kept = try self.begin()
        do throws(StreamError) {
            let (stream, roundTrip) = try await self.ping(over: kept, timeout: timeout)
            self.end(keeping: stream)
            return roundTrip
        } catch {
            kept?.reset()
            self.end(keeping: nil)
            throw error
        }
    }

    /// Finishes the stream; a later ping opens another.
    public func close() async {
        let stream = self.state.withLock { state in state.isBusy ? nil : state.stream.take() }
        try? await stream?.finish()
    }

    private func begin() throws(StreamError) -> PeerStream? {
        let kept = self.state.withLock { state -> Result<PeerStream?, StreamError> in
            guard !state.isBusy else { return .failure(StreamError(.busy, "another ping to this peer is under way")) }
            state.isBusy = true
            return .success(state.stream.take())
        }
        return try kept.get()
    }

    private func end(keeping stream: PeerStream?) {
        self.state.withLock { state in
            state.isBusy = false
            state.stream = stream
        }
    }

    private func ping(over kept: PeerStream?, timeout: Duration?) async throws(StreamError) -> (PeerStream, Duration) {
        try await StreamError.within(timeout, on: self.streams.clock, "a ping") { () throws(StreamError) in
            try await self.roundTrip(over: kept)
        }
    }

    private func roundTrip(over kept: PeerStream?) async throws(StreamError) -> (PeerStream, Duration) {
        let stream = if let kept { kept } else { try await self.open() }
        var random = SystemRandomNumberGenerator()
        var ping = ByteBuffer()
        for _ in 0..<(PingProtocol.size / 8) { ping.writeInteger(random.next()) }
        let sent = self.streams.clock.now()
        try await stream.write(ping)
        guard let pong = try await stream.readExactly(PingProtocol.size) else {
            throw StreamError(.unexpectedEnd, "the peer finished instead of answering a ping")
        }
        guard pong == ping else {
            stream.reset(.protocolViolation)
            throw StreamError(.malformed, "the peer answered a ping with other bytes than it was sent")
        }
        return (stream, .nanoseconds((self.streams.clock.now() - sent).nanoseconds))
    }

    private func open() async throws(StreamError) -> PeerStream {
        switch self.target {
        case .peer(let peer): try await self.streams.openStream(to: peer, protocols: [PingProtocol.id])
        case .connection(let id): try await self.streams.openStream(on: id, protocols: [PingProtocol.id])
        }
    }
}
