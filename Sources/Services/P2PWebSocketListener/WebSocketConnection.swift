public import NIOCore
public import P2PMultiaddr
public import P2PSockets
import P2PWebSocket
import Synchronization

/// A WebSocket that somebody opened, in the shape of a `TCPSocket`: its messages carry a stream of bytes, and where they begin and end means nothing.
///
/// WebSockets have no half-close: what either side ends is over for both.
public final class WebSocketConnection: Sendable {
    private enum Reading {
        case idle, busy, over
    }

    private struct State {
        var readyState = SocketReadyState.open
        var reading = Reading.idle
        /// Nothing comes any more but what has come.
        var isCut = false
    }

    /// The path and the query that were asked for.
    public let target: String
    /// Who it is, as far as its address tells.
    public let remoteAddress: Multiaddr
    /// Whether the sub-protocol of the options was agreed on.
    public let hasSubprotocol: Bool

    private let stream: WebByteStream
    /// Read by whoever has the place of the reader.
    private nonisolated(unsafe) var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let state = Mutex(State())
    let ending = Outcome<Void>()
    private let gone = Outcome<Void>()

    init(_ stream: WebByteStream, target: String, remoteAddress: Multiaddr, hasSubprotocol: Bool) {
        self.stream = stream
        self.inbound = stream.inbound.makeAsyncIterator()
        self.target = target
        self.remoteAddress = remoteAddress
        self.hasSubprotocol = hasSubprotocol
    }

    deinit {
        self.ending.settle(.success(()))
    }

    /// How far it is; it is open when it comes.
    public var readyState: SocketReadyState { self.state.withLock { $0.readyState } }

    /// Returns when it is gone.
    ///
    /// - Throws: `reset`, if it broke and somebody was reading.
    public var closed: Void {
        get async throws(SocketError) { try await self.gone.value() }
    }

    /// Waits for bytes: at least one; nil at the end, again and again.
    ///
    /// - Throws: `alreadyReading` for a second reader, `reset` when the connection breaks.
    public func read() async throws(SocketError) -> ByteBuffer? {
        let before = self.state.withLock { state in
            defer { if state.reading == .idle { state.reading = .busy } }
            return state.reading
        }
        switch before {
        case .over: return nil
        case .busy: throw SocketError(.alreadyReading, "another task reads this socket")
        case .idle: break
        }
        do {
            var next: ByteBuffer?
            repeat { next = try await self.inbound.next() } while next?.readableBytes == 0
            let isOver = next == nil
            let isCut = self.state.withLock { state in
                state.reading = isOver ? .over : .idle
                return state.isCut
            }
            if isOver || isCut { self.close() }
            return next
        } catch {
            self.state.withLock { $0.reading = .over }
            let error = SocketError(.reset, "the WebSocket broke: \(error)")
            self.end(.failure(error))
            throw error
        }
    }

    /// Hands bytes over for sending; waits while the other side is slow.
    ///
    /// - Throws: `closed`.
    public func write(_ bytes: ByteBuffer) async throws(SocketError) {
        guard self.readyState == .open else { throw SocketError(.closed, "the socket was closed") }
        do {
            try await self.stream.outbound.write(bytes)
        } catch {
            if !(error is CancellationError) { self.close() }
            throw SocketError(.closed, "the WebSocket ended: \(error)")
        }
    }

    /// Ends it behind what was written.
    public func close() { self.end(.success(())) }

    private func end(_ result: Result<Void, SocketError>) {
        self.state.withLock { $0.readyState = max($0.readyState, .closing) }
        self.ending.settle(result)
    }

    /// Its channel is closed. Somebody who is reading, or has read to the end, is told why, and says it here.
    func isCut() {
        let isUnread = self.state.withLock { state in
            state.isCut = true
            return state.reading == .idle
        }
        if isUnread { self.close() }
    }

    /// Its connection is gone.
    func isGone(_ result: Result<Void, SocketError>) {
        self.state.withLock { $0.readyState = .closed }
        self.gone.settle(result)
    }
}
