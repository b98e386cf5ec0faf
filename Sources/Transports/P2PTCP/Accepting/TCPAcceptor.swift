import Logging
import NIOCore
import NIOPosix
import P2PCore
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An accepted channel that does not read yet, and what its progress is told to.
struct TCPArrival: Sendable {
    let channel: any Channel
    let progress: ArrivalProgress
}

/// A bound socket. ``AcceptThread`` accepts on it, from the moment at which it is asked to; until then those who come wait in the system's queue.
final class TCPAcceptor: Sendable {
    private struct State {
        /// -1 once it is closed.
        var descriptor: CInt
        var isServed = false
        var isOver = false
        /// Of those who were taken up, how many are begun with since somebody asked.
        var begun = 0
        /// Whether the thread waits for that.
        var wantsNews = false
        /// Who waits until it is closed.
        var waiters: [UnsafeContinuation<Void, Never>] = []
    }

    /// What the socket is bound to.
    let address: SocketAddress
    /// Who was taken up. It ends with the socket.
    let arrivals = Inbox<TCPArrival, Never>(limit: TCPListener.arrivalBacklog)
    let limits: Doorstep.Limits
    let logger: Logger
    private let group: any EventLoopGroup
    private let state: Mutex<State>

    /// Binds a socket and listens.
    ///
    /// - Parameter backlog: connections that the system holds before they are accepted.
    static func bind(
        to local: SocketAddress, backlog: Int32, group: any EventLoopGroup, limits: Doorstep.Limits = Doorstep.Limits(), logger: Logger
    ) async throws -> TCPAcceptor {
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // The channel accepts nobody: it lends its socket.
            .serverChannelOption(.autoRead, value: false)
        if local.protocol == .inet6 {
            bootstrap = bootstrap.serverChannelOption(ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        let channel = try await bootstrap.bind(to: local).get()
        do {
            guard let address = channel.localAddress else { throw IOError(errnoCode: EADDRNOTAVAIL, reason: "getsockname") }
            await channel.letDialsShareItsPort()
            let descriptor = try await channel.eventLoop.submit { try channel.secondDescriptor() }.get()
            let acceptor = TCPAcceptor(descriptor, at: address, group: group, limits: limits, logger: logger)
            try? await channel.close()
            return acceptor
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private init(
        _ descriptor: CInt, at address: SocketAddress, group: any EventLoopGroup, limits: Doorstep.Limits, logger: Logger
    ) {
        self.address = address
        self.group = group
        self.limits = limits
        self.logger = logger
        self.state = Mutex(State(descriptor: descriptor))
    }

    deinit {
        self.closeSocket()
    }

    /// Begins to accept.
    func serve() throws(IOError) {
        let isFirst = self.state.withLock { state in
            defer { state.isServed = true }
            return !state.isServed && !state.isOver
        }
        guard isFirst else { return }
        do throws(IOError) {
            try AcceptThread.shared.serve(self)
        } catch {
            let isOver = self.state.withLock { state in
                state.isServed = false
                return state.isOver
            }
            if isOver { self.closeSocket() }
            throw error
        }
    }

    // MARK: What the thread asks

    var descriptor: CInt { self.state.withLock { $0.descriptor } }
    var isOver: Bool { self.state.withLock { $0.isOver } }

    /// Makes the channels of arrivals.
    func makeBootstrap() -> ClientBootstrap { ClientBootstrap(group: self.group).configuredForBytes() }

    /// How many are begun with since the last call.
    ///
    /// - Parameter wantsMore: whether the thread is to be woken by the next.
    func takeNews(wantsMore: Bool) -> Int {
        self.state.withLock { state in
            state.wantsNews = wantsMore
            defer { state.begun = 0 }
            return state.begun
        }
    }

    /// Nobody accepts any more.
    func closeSocket() {
        let (descriptor, waiters) = self.state.withLock { state in
            defer { (state.descriptor, state.waiters, state.isOver) = (-1, [], true) }
            return (state.descriptor, state.waiters)
        }
        if descriptor >= 0 { closeDescriptor(descriptor) }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: What it is told

    /// One of those who were taken up is begun with, or has ended before.
    func begun() {
        let mustWake = self.state.withLock { state in
            state.begun += 1
            defer { state.wantsNews = false }
            return state.wantsNews
        }
        if mustWake { AcceptThread.shared.wake() }
    }

    /// Accepts nobody from now on. The socket is closed soon.
    func end() {
        let (isServed, isNews) = self.state.withLock { state in
            defer { state.isOver = true }
            return (state.isServed, !state.isOver)
        }
        if isNews { self.arrivals.finish(.success(())) }
        if isServed { AcceptThread.shared.wake() } else { self.closeSocket() }
    }

    /// The same; returns when the socket is closed, also when the task is cancelled.
    func close() async {
        self.end()
        await withUnsafeContinuation { (waiter: UnsafeContinuation<Void, Never>) in
            let isClosed = self.state.withLock { state in
                if state.descriptor >= 0 { state.waiters.append(waiter) }
                return state.descriptor < 0
            }
            if isClosed { waiter.resume() }
        }
    }
}

extension Channel {
    /// Another descriptor of the channel's socket, which outlives the channel.
    fileprivate func secondDescriptor() throws -> CInt {
        let copy = try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            fcntl($0, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
        }
        guard let copy, copy >= 0 else { throw IOError(errnoCode: errno, reason: "fcntl") }
        return copy
    }
}
