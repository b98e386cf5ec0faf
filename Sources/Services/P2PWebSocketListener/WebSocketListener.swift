import P2P
public import P2PPortMapping
public import P2PSockets
import P2PWebSocket
import Synchronization

/// A port at which web pages and other programs open WebSockets, in the shape of a `TCPServerSocket`.
///
/// ```swift
/// let listener = try WebSocketListener.listen("127.0.0.1")
/// print(try await listener.opened.localPort)
/// for try await socket in listener.connections { … }
/// ```
///
/// It is a port of a host of its own, which no peer can use: whatever is asked for there is answered here. So all that stands on a host's ports
/// stands here: limits for each address, signs of life, TLS, and a router that is asked to open the port (``WebSocketListenerOptions/mapping``).
public final class WebSocketListener: Sendable {
    private let core: WebSocketListenerCore
    private let task: Task<Void, Never>

    private init(_ core: WebSocketListenerCore) {
        self.core = core
        self.task = Task { await core.run() }
    }

    deinit {
        self.core.close()
    }

    /// Begins to listen, and returns at once.
    ///
    /// - Parameters:
    ///   - address: numeric; `0.0.0.0` or `::` for every interface.
    ///   - port: nil or -1 for one of the system's choice.
    /// - Throws: `SocketError.Code.invalidArgument`; what goes wrong later, ``opened`` throws (`addressInUse`, `unreachable`).
    public static func listen(
        _ address: String, _ port: Int? = nil, options: WebSocketListenerOptions = WebSocketListenerOptions()
    ) throws(SocketError) -> WebSocketListener {
        let port = port == -1 ? nil : port
        if let port, !(1...65_535).contains(port) { throw SocketError(.invalidArgument, "port \(port) is none to listen on; nil is any") }
        guard let ip = IPAddress(address) else { throw SocketError(.invalidArgument, "\(address) is no numeric address") }
        if let text = options.subprotocol, WebSocketHeaderField.Token(text) == nil {
            throw SocketError(.invalidArgument, "that is no name of a sub-protocol")
        }
        do {
            var local = Multiaddr(ip: ip, tcp: UInt16(port ?? 0))
            if options.tls.certificate != nil { local = try local.appending(.tls) }
            return WebSocketListener(WebSocketListenerCore(try local.appending(.ws), options))
        } catch {
            throw SocketError(.invalidArgument, "\(address) is none to listen on")
        }
    }

    /// Where it listens, once it does.
    ///
    /// - Throws: why it can't, the same as ``closed`` then.
    public var opened: SocketEndpoints {
        get async throws(SocketError) { try await self.core.opened.value() }
    }

    /// Returns when it has stopped.
    ///
    /// - Throws: why, if it did not stop because of ``close()``.
    public var closed: Void {
        get async throws(SocketError) { try await self.core.closed.value() }
    }

    /// How far it is.
    public var readyState: SocketReadyState { self.core.readyState }
    /// The address on which it listens; nil before it does.
    public var localAddress: String? { (try? self.core.opened.result?.get())?.localAddress }
    /// The port on which it listens; nil before it does.
    public var localPort: Int? { (try? self.core.opened.result?.get())?.localPort }
    /// What has become of the wish to be reached through a router; nil where there was none.
    public var mapping: PortMappingStatus? { self.core.mapping?.status }
    /// The same, as it changes; nil where there was no wish.
    public var mappingChanges: AsyncStream<PortMappingStatus>? { self.core.mapping?.statusChanges }

    /// The connections, as they come: open.
    ///
    /// For one iterator; a second one throws `invalidState`. Who is not asked for waits, with at most ``WebLimits/serving`` others; those beyond are
    /// turned away. An iterator that goes away, or a task that is cancelled, closes the listener; ``close()`` ends the sequence.
    public var connections: WebSocketConnections { WebSocketConnections(self, self.core) }

    /// Takes nobody in any more, ends the sequence, and, unlike a `TCPServerSocket`, what was handed out.
    public func close() { self.core.close() }
}

/// The connections that a ``WebSocketListener`` takes in.
public struct WebSocketConnections: AsyncSequence, Sendable {
    /// A connection.
    public typealias Element = WebSocketConnection
    /// What ends the sequence before its end.
    public typealias Failure = SocketError

    private let listener: WebSocketListener
    private let core: WebSocketListenerCore

    init(_ listener: WebSocketListener, _ core: WebSocketListenerCore) {
        self.listener = listener
        self.core = core
    }

    /// The one iterator.
    public func makeAsyncIterator() -> Iterator { Iterator(self.listener, self.core) }

    /// Takes connections one by one.
    public struct Iterator: AsyncIteratorProtocol {
        /// Closes the listener when the iterator goes away.
        private final class Place: Sendable {
            let listener: WebSocketListener
            let isMine: Bool

            init(_ listener: WebSocketListener, _ core: WebSocketListenerCore) {
                self.listener = listener
                self.isMine = core.claimIterator()
            }

            deinit {
                if self.isMine { self.listener.close() }
            }
        }

        private let place: Place
        private var arrivals: AsyncStream<WebSocketConnection>.Iterator

        init(_ listener: WebSocketListener, _ core: WebSocketListenerCore) {
            self.place = Place(listener, core)
            self.arrivals = core.arrivals.makeAsyncIterator()
        }

        /// The next connection; nil after the listener was closed, or when the task is cancelled, which closes it.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(SocketError) -> WebSocketConnection? {
            guard self.place.isMine else { throw SocketError(.invalidState, "the connections have an iterator already") }
            let next = await self.arrivals.next(isolation: actor)
            if next == nil { self.place.listener.close() }
            return next
        }
    }
}
