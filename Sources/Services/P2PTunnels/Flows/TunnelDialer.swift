import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PNames
import P2PSystem

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Connects the sockets that tunnels lead to.
struct TunnelDialer: Sendable {
    /// Decides over each address before anything is sent to it; nil for those that nobody but this node has named.
    typealias MayReach = @Sendable (IPAddress) async -> GateAnswer

    /// The largest piece that a socket is read in.
    static let maximumRead = TunnelPump.piece
    /// What an idle connection reads into.
    private static let initialRead = 2_048

    let connectTimeout: Duration

    /// A socket that is connected, and the pump that has kept what it brought since.
    struct Socket: Sendable {
        let channel: any Channel
        let pump: TunnelPump

        /// Nobody wants it any more; the program is not to take that for an end.
        func closeAbruptly() {
            let channel = self.channel
            channel.eventLoop.execute { channel.closeAbruptly() }
        }
    }

    /// The same as the other, for what a peer says. Goes on when the task is cancelled because that peer has left with everything said; closing the tunnel breaks it off.
    func connect(
        for stream: PeerStream, of running: RunningTunnel, to target: TunnelEndpoint, times: TunnelCourse.Times,
        on eventLoop: any EventLoop,
        deadline: NIODeadline
    ) async throws(TunnelError) -> Socket {
        let connecting = Task { () -> Result<Socket, TunnelError> in
            do throws(TunnelError) {
                return .success(try await self.connect(to: target, times: times, on: eventLoop, deadline: deadline))
            } catch {
                return .failure(error)
            }
        }
        let result = await running.whileOpen(cancel: { connecting.cancel() }) {
            await withTaskCancellationHandler {
                await connecting.value
            } onCancel: {
                if !stream.muxed.inbound.isFinished { connecting.cancel() }
            }
        }
        return try result.get()
    }

    /// A connection to the target, which does not read yet.
    ///
    /// - Parameter times: what its pump keeps to.
    func connect(
        to target: TunnelEndpoint, times: TunnelCourse.Times, on eventLoop: any EventLoop, deadline: NIODeadline, mayReach: MayReach? = nil
    ) async throws(TunnelError) -> Socket {
        switch target {
        case .unix(let path):
            return try await self.connect(on: eventLoop, times, self.timeout(until: deadline), named: "\(target)") {
                $0.connect(unixDomainSocketPath: path)
            }
        case .ip:
            let addresses = try await self.addresses(of: target, deadline: deadline, mayReach: mayReach)
            let race = AddressRace { (address: SocketAddress) async throws(TransportError) -> Socket in
                try await self.attempt(address, times, on: eventLoop, deadline: deadline)
            } discard: {
                $0.closeAbruptly()
            }
            switch await race.run(addresses) {
            case .success(let socket): return socket
            case .failure(let error): throw TunnelError(.init(error.code.description), error.message, cause: error)
            }
        }
    }

    /// The addresses of a target that may be reached, in the order in which they are tried.
    func addresses(of target: TunnelEndpoint, deadline: NIODeadline, mayReach: MayReach? = nil) async throws(TunnelError) -> [SocketAddress]
    {
        guard case .ip(let host, let port) = target else { throw TunnelError(.badRequest, "\(target) is no host and port") }
        var found: [SocketAddress]
        if IPAddress(host) != nil {
            do { found = [try SocketAddress(ipAddress: host, port: Int(port))] } catch {
                throw TunnelError(.badRequest, "\(host) is no address that can be connected to", cause: error)
            }
        } else {
            do throws(TransportError) {
                found = try await NameResolver.shared.addresses(of: host, port: port, family: .any, deadline: deadline)
            } catch {
                throw TunnelError(error.code == .timedOut ? .timedOut : .unresolvable, error.message, cause: error)
            }
        }
        guard let mayReach else { return Array(found.prefix(AddressRaceLimits.maximumAddresses)) }
        var refusal: String?
        var granted: [SocketAddress] = []
        for address in found.prefix(AddressRaceLimits.maximumAddresses) {
            guard let ip = address.ip else { continue }
            switch await mayReach(ip) {
            case .granted: granted.append(address)
            case .refused(let reason): refusal = refusal ?? reason
            }
        }
        guard !granted.isEmpty else { throw TunnelError(.denied, refusal ?? "\(target) is not allowed") }
        return granted
    }

    private func timeout(until deadline: NIODeadline) -> TimeAmount {
        max(.milliseconds(1), min(TimeAmount(self.connectTimeout), deadline - .now()))
    }

    private func attempt(
        _ address: SocketAddress, _ times: TunnelCourse.Times, on eventLoop: any EventLoop, deadline: NIODeadline
    ) async throws(TransportError) -> Socket {
        do throws(TunnelError) {
            return try await self.connect(on: eventLoop, times, self.timeout(until: deadline), named: Self.name(of: address)) {
                $0.connect(to: address)
            }
        } catch {
            throw TransportError(.init(error.code.description), error.message, cause: error.cause)
        }
    }

    private func connect(
        on eventLoop: any EventLoop, _ times: TunnelCourse.Times, _ timeout: TimeAmount, named name: String,
        _ connect: (ClientBootstrap) -> EventLoopFuture<any Channel>
    ) async throws(TunnelError) -> Socket {
        let pump = TunnelPump(times: times, on: eventLoop)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.prepareForTunnel(for: .dial)
                    try channel.pipeline.syncOperations.addHandler(pump)
                }
            }
        do {
            let channel = try await connect(bootstrap).get()
            let socket = Socket(channel: channel, pump: pump)
            guard !Task.isCancelled else {
                socket.closeAbruptly()
                throw TunnelError(.failed, "connecting to \(name) was cancelled")
            }
            return socket
        } catch let error as TunnelError {
            throw error
        } catch {
            let cause = SystemError(error) ?? error
            throw TunnelError(Self.code(of: cause), "no connection to \(name): \(cause)", cause: cause)
        }
    }

    private static func name(of address: SocketAddress) -> String {
        guard let ip = address.ip, let port = address.port else { return "\(address)" }
        return "\(TunnelEndpoint.ip(host: "\(ip)", port: UInt16(truncatingIfNeeded: port)))"
    }

    /// What a failure is called, to the peer as well.
    private static func code(of error: any Error) -> TunnelError.Code {
        switch error {
        case ChannelError.connectTimeout: return .timedOut
        case is DescriptorShortage: return .busy
        case let error as SystemError:
            switch error.number {
            case ECONNREFUSED, ENOENT: return .refused
            case ETIMEDOUT: return .timedOut
            case EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, EHOSTDOWN, ENETDOWN, EAFNOSUPPORT: return .unreachable
            case EACCES, EPERM: return .denied
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .busy
            default: return .unreachable
            }
        default: return .failed
        }
    }

    /// The options of a channel that a `TunnelPump` ends.
    static func adjust(_ channel: any Channel) throws {
        guard let options = channel.syncOptions else { return }
        try options.setOption(.autoRead, value: false)
        try options.setOption(.allowRemoteHalfClosure, value: true)
        try options.setOption(.maxMessagesPerRead, value: UInt(TunnelAllowance.least / TunnelPump.piece))
        try options.setOption(.writeBufferWaterMark, value: .init(low: TunnelPump.piece / 2, high: TunnelPump.piece))
        try options.setOption(
            .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: Self.initialRead, maximum: Self.maximumRead))
    }
}

/// Of the process's descriptors there are only those left that it keeps for itself.
struct DescriptorShortage: Error, CustomStringConvertible {
    var description: String { "the process has no descriptor to spare" }
}

extension Channel {
    /// Sets a socket up for a tunnel, before it is connected or active. On the event loop.
    ///
    /// - Throws: ``DescriptorShortage`` when its descriptor is one that is kept.
    func prepareForTunnel(for purpose: DescriptorReserve.Purpose) throws {
        try self.leaveReserve(for: purpose)
        try self.adjustForTunnel()
    }

    /// The same for a socket whose descriptor nobody minds. On the event loop.
    func adjustForTunnel() throws {
        try TunnelDialer.adjust(self)
        // Not every socket has it: those of unix do not.
        try? self.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    /// Takes none of the descriptors that the process keeps for itself. On the event loop.
    ///
    /// - Throws: ``DescriptorShortage`` when its descriptor is one that is kept.
    func leaveReserve(for purpose: DescriptorReserve.Purpose) throws {
        let reserve = DescriptorReserve.current()
        let isShort = try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            reserve.isTouched(by: $0, for: purpose)
        }
        if isShort ?? false { throw DescriptorShortage() }
    }
}
