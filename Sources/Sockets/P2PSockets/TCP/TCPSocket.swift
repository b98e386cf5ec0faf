public import NIOCore
internal import NIOSSL

/// A TCP connection, also with TLS, as web pages and browser extensions know it: libdweb's TCP API and the W3C's Direct Sockets in Swift.
///
/// It is made at once, `connecting`; ``opened`` says when it can be used, ``closed`` how it ended. One task reads; any number write, in the order of
/// their calls. A socket that goes away is closed at once.
///
/// ```swift
/// let socket = try TCPSocket.connect("mail.example", 25)
/// let greeting = try await socket.read()
/// try await socket.write(ByteBuffer(string: "EHLO me\r\n"))
/// try await socket.close()
/// ```
public final class TCPSocket: Sendable {
    let core: TCPSocketCore
    private let asked: (host: String, port: Int)

    init(_ core: TCPSocketCore, host: String, port: Int) {
        self.core = core
        self.asked = (host, port)
    }

    deinit {
        self.core.abort(nil)
    }

    /// Begins to connect to a port of a host, and returns at once.
    ///
    /// - Parameter host: a name, whose addresses are tried one beside the other, or a numeric address (IPv6 without brackets).
    /// - Throws: ``SocketError/Code/invalidArgument``; what goes wrong later, ``opened`` throws.
    public static func connect(_ host: String, _ port: Int, options: TCPOptions = TCPOptions()) throws(SocketError) -> TCPSocket {
        guard (1...65_535).contains(port) else { throw SocketError(.invalidArgument, "port \(port) is none to connect to") }
        guard !host.isEmpty, !host.utf8.contains(0) else { throw SocketError(.invalidArgument, "a host has to be named") }
        try options.check()
        let tls = try options.tls?.makeContext()
        let hold = options.gate.map { _ in SocketHold() }
        let core = TCPSocketCore(options, hold: hold)
        let dial = TCPDial(
            destination: SocketDestination(
                capability: .tcpConnect, host: host, port: port, family: options.family, gate: options.gate),
            options: options, tls: tls, hold: hold)
        core.begin { core in await dial.run(for: core) }
        return TCPSocket(core, host: host, port: port)
    }

    // MARK: State

    /// Where it is connected, once it is; for any number of waiters, and cancelling one closes nothing.
    ///
    /// - Throws: why it could not be opened, the same as ``closed`` then.
    public var opened: SocketEndpoints {
        get async throws(SocketError) { try await self.core.opened.value() }
    }

    /// Returns when both directions have ended without an error, or after ``closeImmediately()``.
    ///
    /// - Throws: the error with which one ended, that of writing first.
    public var closed: Void {
        get async throws(SocketError) { try await self.core.closed.value() }
    }

    /// How far it is.
    public var readyState: SocketReadyState { self.core.readyState }
    /// The numeric address that it is connected to; before that, the host as it was asked for.
    public var address: String { self.core.endpoints?.remoteAddress ?? self.asked.host }
    /// The port that it is, or is to be, connected to.
    public var port: Int { self.core.endpoints?.remotePort ?? self.asked.port }
    /// The local address; nil before it is open.
    public var localAddress: String? { self.core.endpoints?.localAddress }
    /// The local port; nil before it is open.
    public var localPort: Int? { self.core.endpoints?.localPort }
    /// Whether TLS is spoken, or has begun.
    public var usesTLS: Bool { self.core.usesTLS }
    /// Bytes that were given to `write` and that the kernel has not taken yet.
    public var bufferedAmount: Int { self.core.bufferedAmount }

    // MARK: Bytes

    /// The next bytes, at least one and at most `limit`; nil once the other side has finished, however often that is asked.
    ///
    /// - Throws: ``SocketError/Code/alreadyReading`` while another task reads; `reset` where the connection was reset, after what had come before;
    ///   `closed` after ``closeImmediately()``.
    public func read(upTo limit: Int = .max) async throws(SocketError) -> ByteBuffer? {
        try await self.core.read(upTo: limit)
    }

    /// Sends bytes; returns when the kernel has taken all of them. Several writes go one after the other, in the order of the calls.
    ///
    /// - Throws: `closed` after ``close()``; the connection's error. When it throws `cancelled`, either all of the bytes go or none does.
    public func write(_ bytes: ByteBuffer) async throws(SocketError) {
        try await self.core.write(bytes)
    }

    /// Stops reading: no more bytes leave the kernel, so that the other side has to wait, and `read` waits, for bytes and for their end.
    /// What was read ahead stays. A second call does nothing.
    public func suspend() { self.core.setSuspended(true) }

    /// Goes on reading where it stopped.
    public func resume() { self.core.setSuspended(false) }

    // MARK: Ending

    /// Finishes this direction alone: what is queued goes, then the end. Reading goes on.
    public func finishWriting() async throws(SocketError) { try await self.core.finishWriting() }

    /// Sends what is queued, then the end, and returns when the other side has finished, too. It can be read from until then.
    ///
    /// - Throws: as ``closed`` does; `timedOut` when the queue was not taken within ``TCPOptions/drainTimeout``, or nothing has moved for as long
    ///   after that. A second call has the same outcome. Cancelling the task ends the waiting, not the closing.
    public func close() async throws(SocketError) { try await self.core.close() }

    /// Ends it now: what is queued is dropped, and if that or what was not read is more than nothing, the other side sees a reset.
    public func closeImmediately() { self.core.abort(nil) }

    // MARK: TLS

    /// Begins TLS on the open connection, as the client (STARTTLS of SMTP, IMAP, POP).
    ///
    /// - Throws: ``SocketError/Code/invalidState`` where bytes in the clear wait on either side; `tls` when the handshake fails, which ends the
    ///   connection.
    public func startTLS(_ tls: SocketTLS = SocketTLS()) async throws(SocketError) {
        let context = try tls.makeContext()
        let name = tls.serverName ?? self.asked.host
        try await self.core.startTLS(serverName: tls.wantedName(self.asked.host)) { try SocketTLS.handler(context, serverName: name) }
    }

    /// Begins TLS on the open connection, as the server.
    ///
    /// - Throws: as the other.
    public func startTLS(as certificate: SocketCertificate) async throws(SocketError) {
        let context = try certificate.makeContext()
        try await self.core.startTLS(serverName: nil) { NIOSSLServerHandler(context: context) }
    }
}
