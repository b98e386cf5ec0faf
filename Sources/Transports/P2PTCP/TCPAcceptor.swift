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

/// A bound socket, and the channel that accepts on it.
///
/// SwiftNIO closes a server channel when an accept fails with anything but five error numbers, though most of the others are those of one
/// connection. So the socket has a second descriptor, which nobody accepts on: it stays bound, and whoever waits in its queue stays there,
/// while another channel is made for it.
final class TCPAcceptor: Sendable {
    /// Makes what makes the channel: of a fresh socket, or of one that is bound and takes no options for that any more. What the channel
    /// catches goes to the errors.
    typealias Bootstrap = @Sendable (_ isFresh: Bool, AcceptErrors) -> ServerBootstrap

    private struct State {
        var channel: (any Channel)?
        /// The second descriptor; -1 when there is none, or none any more.
        var descriptor: CInt
        var faults = SocketFaults()
        var isOver = false
    }

    /// What the socket is bound to.
    let address: SocketAddress
    private let eventLoop: any EventLoop
    private let bootstrap: Bootstrap
    private let backlog: Int32
    private let errors: AcceptErrors
    /// Is called once, when nothing is accepted any more.
    private let onEnd: @Sendable () -> Void
    private let state: Mutex<State>

    /// Binds a socket and begins to accept.
    static func bind(
        to local: SocketAddress, backlog: Int32, bootstrap: @escaping Bootstrap, onEnd: @escaping @Sendable () -> Void
    ) async throws -> TCPAcceptor {
        let errors = AcceptErrors()
        let channel = try await bootstrap(true, errors).bind(to: local).get()
        guard let address = channel.localAddress else {
            try? await channel.close()
            throw IOError(errnoCode: EADDRNOTAVAIL, reason: "getsockname")
        }
        await channel.letDialsShareItsPort()
        let descriptor = try? await channel.eventLoop.submit { try channel.secondDescriptor() }.get()
        let acceptor = TCPAcceptor(
            channel, at: address, descriptor: descriptor ?? -1, backlog: backlog, bootstrap: bootstrap, errors: errors, onEnd: onEnd)
        acceptor.watch(channel)
        return acceptor
    }

    private init(
        _ channel: any Channel, at address: SocketAddress, descriptor: CInt, backlog: Int32, bootstrap: @escaping Bootstrap,
        errors: AcceptErrors, onEnd: @escaping @Sendable () -> Void
    ) {
        self.address = address
        self.eventLoop = channel.eventLoop
        self.bootstrap = bootstrap
        self.backlog = backlog
        self.errors = errors
        self.onEnd = onEnd
        self.state = Mutex(State(channel: channel, descriptor: descriptor))
    }

    deinit {
        self.closeDescriptor()
    }

    /// What accepts now.
    var channel: (any Channel)? { self.state.withLock { $0.channel } }

    // MARK: The end

    /// Returns when the socket is closed.
    func close() async {
        if let channel = self.end() { try? await channel.close() }
        self.closeDescriptor()
    }

    /// The same without waiting.
    func closeSoon() {
        guard let channel = self.end() else { return self.closeDescriptor() }
        channel.close(promise: nil)
    }

    private func end() -> (any Channel)? {
        let (channel, isNews) = self.state.withLock { state in
            defer { state.isOver = true }
            return (state.channel, !state.isOver)
        }
        if isNews { self.onEnd() }
        return channel
    }

    private func closeDescriptor() {
        let descriptor = self.state.withLock { state in
            defer { state.descriptor = -1 }
            return state.descriptor
        }
        if descriptor >= 0 { _ = systemClose(descriptor) }
    }

    // MARK: Another channel

    private func watch(_ channel: any Channel) {
        channel.closeFuture.whenComplete { _ in self.failed(with: self.errors.take()) }
    }

    /// The channel has ended, or could not be made.
    ///
    /// - Parameter number: what an error is taken for that has no number.
    private func failed(with error: (any Error)?, otherwise number: CInt? = nil) {
        let number = (error as? IOError)?.errnoCode ?? number
        let pause = self.state.withLock { state -> TimeAmount? in
            state.channel = nil
            guard !state.isOver, state.descriptor >= 0, case .goOn(let pause) = state.faults.failed(number, at: .now()) else { return nil }
            return pause
        }
        guard let pause else {
            _ = self.end()
            return self.closeDescriptor()
        }
        self.eventLoop.scheduleTask(in: pause) { self.acceptAgain() }
    }

    private func acceptAgain() {
        // Under the lock: the descriptor must not be closed meanwhile, for its number may be somebody else's then.
        let copy = self.state.withLock { state -> Result<CInt, IOError>? in
            guard !state.isOver, state.descriptor >= 0 else { return nil }
            let copy = fcntl(state.descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
            return copy >= 0 ? .success(copy) : .failure(IOError(errnoCode: errno, reason: "fcntl"))
        }
        switch copy {
        case .success(let copy):
            self.bootstrap(false, self.errors).withBoundSocket(copy).whenComplete { self.made($0) }
        case .failure(let error): self.failed(with: error)
        case nil: self.closeDescriptor()
        }
    }

    private func made(_ result: Result<any Channel, any Error>) {
        switch result {
        case .success(let channel):
            let isWelcome = self.state.withLock { state in
                guard !state.isOver else { return false }
                state.channel = channel
                // A new channel asks for the backlog that NIO thinks right.
                _ = listen(state.descriptor, self.backlog)
                return true
            }
            self.watch(channel)
            if !isWelcome { channel.close(promise: nil) }
        case .failure(let error): self.failed(with: error, otherwise: EAGAIN)
        }
    }
}

/// The last error that a server channel has caught.
final class AcceptErrors: Sendable {
    private let last = Mutex<(any Error)?>(nil)

    func caught(_ error: any Error) { self.last.withLock { $0 = error } }

    func take() -> (any Error)? { self.last.withLock { $0.take() } }
}

extension Channel {
    /// Another descriptor of the channel's socket.
    fileprivate func secondDescriptor() throws -> CInt {
        let copy = try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            fcntl($0, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
        }
        return copy ?? -1
    }
}

/// `close`, which methods of that name hide.
private func systemClose(_ descriptor: CInt) -> CInt {
    close(descriptor)
}
