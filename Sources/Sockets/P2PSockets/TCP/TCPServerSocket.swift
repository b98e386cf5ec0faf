import NIOCore
import NIOPosix
import NIOSSL

/// A port at which TCP connections are accepted, one by one as they are asked for.
///
/// ```swift
/// let server = try TCPServerSocket.listen("127.0.0.1")
/// print(try await server.opened.localPort)
/// for try await socket in server.connections { … }
/// ```
public final class TCPServerSocket: Sendable {
    /// The backlog where none is asked for; the system cuts it to what it allows.
    public static let defaultBacklog = 511

    let core: TCPServerCore

    private init(_ core: TCPServerCore) { self.core = core }

    deinit {
        self.core.close()
    }

    /// Begins to listen, and returns at once.
    ///
    /// - Parameters:
    ///   - address: numeric; `0.0.0.0` or `::` for every interface.
    ///   - port: nil or -1 for one of the system's choice.
    ///   - backlog: connections that the system keeps until they are accepted; nil or -1 for ``defaultBacklog``.
    /// - Throws: ``SocketError/Code/invalidArgument``; what goes wrong later, ``opened`` throws (`addressInUse`, `permissionDenied`).
    public static func listen(
        _ address: String, _ port: Int? = nil, backlog: Int? = nil, options: TCPServerOptions = TCPServerOptions()
    ) throws(SocketError) -> TCPServerSocket {
        let port = port == -1 ? nil : port
        let backlog = backlog == -1 ? nil : backlog
        if let port, !(1...65_535).contains(port) { throw SocketError(.invalidArgument, "port \(port) is none to listen on; nil is any") }
        if let backlog, !(1...Int(CInt.max)).contains(backlog) { throw SocketError(.invalidArgument, "a backlog of \(backlog) is none") }
        guard let local = try? SocketAddress(ipAddress: address, port: port ?? 0) else {
            throw SocketError(.invalidArgument, "\(address) is no numeric address")
        }
        if options.ipv6Only, local.ipAddress != "::" { throw SocketError(.invalidArgument, "ipv6Only goes with ::, not with \(address)") }
        try options.connections.check()
        let tls = try options.tls?.makeContext()
        let core = TCPServerCore(options, local, backlog: backlog ?? Self.defaultBacklog, tls: tls)
        core.begin()
        return TCPServerSocket(core)
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
    public var localAddress: String? { self.core.endpoints?.localAddress }
    /// The port on which it listens; nil before it does.
    public var localPort: Int? { self.core.endpoints?.localPort }

    /// The connections, as they are accepted: open, with TLS done where it is asked for.
    ///
    /// For one iterator; a second one throws ``SocketError/Code/invalidState``. What is not asked for is not accepted, but for one
    /// (``SocketLimits/acceptAhead``): the rest waits in the system's backlog. An iterator that goes away, or a task that is
    /// cancelled, closes the listener; ``close()`` ends the sequence.
    public var connections: TCPConnections { TCPConnections(self) }

    /// Stops accepting, and ends the sequence. What was accepted and handed out lives on; the rest is reset.
    public func close() { self.core.close() }
}

/// The connections that a ``TCPServerSocket`` accepts.
public struct TCPConnections: AsyncSequence, Sendable {
    /// A connection.
    public typealias Element = TCPSocket
    /// What ends the sequence before its end.
    public typealias Failure = SocketError

    /// Kept for as long as somebody iterates: a listener that nobody has is closed.
    private let server: TCPServerSocket

    init(_ server: TCPServerSocket) { self.server = server }

    /// The one iterator.
    public func makeAsyncIterator() -> Iterator { Iterator(self.server) }

    /// Takes connections one by one.
    public struct Iterator: AsyncIteratorProtocol {
        /// Closes the listener when the iterator goes away.
        private final class Place: Sendable {
            let server: TCPServerSocket
            let isMine: Bool

            init(_ server: TCPServerSocket) {
                self.server = server
                self.isMine = server.core.claimIterator()
            }

            deinit {
                if self.isMine { self.server.close() }
            }
        }

        private let place: Place

        init(_ server: TCPServerSocket) { self.place = Place(server) }

        /// The next connection; nil after the listener was closed, or when the task is cancelled, which closes it.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(SocketError) -> TCPSocket? {
            guard self.place.isMine else { throw SocketError(.invalidState, "the connections have an iterator already") }
            return try await self.place.server.core.next()
        }
    }
}
