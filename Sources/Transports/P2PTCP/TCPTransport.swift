package import Logging
package import NIOCore
import NIOPosix
package import P2PCore
package import P2PMultiaddr
import P2PNames
package import P2PPipeline
import P2PSystem

/// Plain TCP: `/ip4`, `/ip6`, `/dns`, `/dns4` and `/dns6`, each followed by `/tcp` and nothing more than `/p2p`.
package struct TCPTransport: ByteTransport {
    /// How long one address may take to connect, whatever the dial's own deadline; as in go-libp2p.
    package static let connectTimeout = TimeAmount.seconds(5)

    private let group: any EventLoopGroup
    private let logger: Logger
    private let resolver: NameResolver
    private let proxies: TrustedProxies
    private let ports = ListeningPorts()

    /// - Parameters:
    ///   - group: where the sockets live; each connection stays on one of its loops for life.
    ///   - proxies: networks of proxies that are believed when they say for whom they connect (PROXY protocol).
    package init(
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, proxies: [IPNetwork] = [],
        logger: Logger = Logger(label: "p2p.tcp")
    ) {
        self.init(group: group, proxies: proxies, logger: logger, resolver: .shared)
    }

    init(
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, proxies: [IPNetwork] = [],
        logger: Logger = Logger(label: "p2p.tcp"), resolver: NameResolver
    ) {
        self.group = group
        self.logger = logger
        self.resolver = resolver
        self.proxies = TrustedProxies(proxies, logger: logger)
    }

    /// Looks at the form of the address only.
    package func canDial(_ address: Multiaddr) -> Bool { TCPEndpoint(address) != nil }

    /// Looks at the form of the address only.
    package func canListen(on address: Multiaddr) -> Bool {
        guard case .ip? = TCPEndpoint(address)?.host else { return false }
        return true
    }

    // MARK: Dialing

    /// Resolves the host and connects to the first of its addresses that answers, trying the next ones meanwhile.
    package func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel {
        guard let endpoint = TCPEndpoint(address) else {
            throw TransportError(.unsupportedAddress, "\(address) is not a TCP address")
        }
        let local = try options.localAddress.map(Self.bindAddress)
        var remotes = try await endpoint.resolved(by: self.resolver, deadline: options.deadline, where: options.mayReach)
        if let local {
            remotes.removeAll { $0.protocol != local.protocol }
            guard !remotes.isEmpty else {
                throw TransportError(.unsupportedOptions, "\(address) can't be dialled from \(local), which is of another IP version")
            }
        }
        let race = AddressRace { (remote: SocketAddress) async throws(TransportError) in
            if local == nil, let shared = self.ports.local(for: remote) {
                do throws(TransportError) {
                    return try await self.connect(to: remote, from: shared, as: address, deadline: options.deadline)
                } catch  where error.isAboutTheLocalAddress {
                    // There is such a connection already, or was a moment ago.
                }
            }
            return try await self.connect(to: remote, from: local, as: address, deadline: options.deadline)
        } discard: {
            $0.channel.close(promise: nil)
        }
        let result = await race.run(Array(remotes.prefix(AddressRaceLimits.maximumAddresses)))
        if case .failure = result, Task.isCancelled { throw Self.cancelled(address) }
        return try result.get()
    }

    private static func bindAddress(_ address: Multiaddr) throws(TransportError) -> SocketAddress {
        guard let local = try TCPEndpoint(address)?.socketAddress() else {
            throw TransportError(.unsupportedOptions, "\(address) is not a TCP address to dial from; use /ip4 or /ip6 and /tcp")
        }
        return local
    }

    private func connect(
        to remote: SocketAddress, from local: SocketAddress?, as address: Multiaddr, deadline: NIODeadline
    ) async throws(TransportError) -> ByteChannel {
        let remaining = deadline - .now()
        guard remaining > .zero else { throw TransportError(.timedOut, "the deadline passed before \(address) was dialled") }
        let eventLoop = self.group.next()
        let opened = NIOLoopBoundBox<(any Channel)?>.makeEmptyBox(valueType: (any Channel).self, eventLoop: eventLoop)
        var bootstrap = ClientBootstrap(group: eventLoop)
            .configuredForBytes { channel in
                opened.value = channel
                try channel.leaveReserve()
            }
            .connectTimeout(min(remaining, Self.connectTimeout))
        if let local { bootstrap = bootstrap.bind(to: local) }
        if let port = local?.port, port != 0 { bootstrap = bootstrap.sharingPort() }
        let connecting = bootstrap.connect(to: remote)
        return try await withTaskCancellationHandler {
            do {
                let channel = try await connecting.get()
                guard !Task.isCancelled else {
                    channel.close(promise: nil)
                    return Result<ByteChannel, TransportError>.failure(Self.cancelled(address))
                }
                return .success(
                    ByteChannel(
                        channel: channel, localAddress: Multiaddr(tcp: channel.localAddress) ?? address,
                        remoteAddress: Multiaddr(tcp: channel.remoteAddress) ?? address))
            } catch {
                if Task.isCancelled { return .failure(Self.cancelled(address)) }
                return .failure(Self.dialError(error, from: local, remote: remote))
            }
        } onCancel: {
            eventLoop.execute { opened.value?.close(promise: nil) }
        }.get()
    }

    private static func cancelled(_ address: Multiaddr) -> TransportError {
        TransportError(.cancelled, "the dial of \(address) was cancelled")
    }

    private static func dialError(_ error: any Error, from local: SocketAddress?, remote: SocketAddress) -> TransportError {
        // Of a port, the second says that there is such a connection already, or was a moment ago.
        if let local, let code = (error as? IOError)?.errnoCode, code == EADDRINUSE || code == EADDRNOTAVAIL {
            return TransportError(
                code == EADDRINUSE ? .addressInUse : .unreachable, "\(remote) can't be dialled from \(local)", cause: SystemError(error))
        }
        if let error = error as? DescriptorShortage {
            return TransportError(.resourceLimit, "\(remote) is not dialled: \(error)", cause: error)
        }
        if case ChannelError.connectTimeout(let amount) = error {
            return TransportError(.timedOut, "\(remote) did not answer within \(amount.nanoseconds / 1_000_000) ms", cause: error)
        }
        return TransportError(.unreachable, "no connection to \(remote)", cause: SystemError(error) ?? error)
    }

    // MARK: Listening

    /// Binds an IP address; a wildcard stands for every interface.
    package func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener {
        guard let endpoint = TCPEndpoint(address), case .ip(let ip, _) = endpoint.host, let local = try endpoint.socketAddress() else {
            throw TransportError(.unsupportedAddress, "\(address) is not a TCP address to listen on; use /ip4 or /ip6 and /tcp")
        }
        let failure = BindFailure(address, ip: ip)
        try failure.checkWildcard()
        do {
            let acceptor = try await TCPAcceptor.bind(
                to: local, backlog: TCPListener.systemBacklog, group: self.group, logger: self.logger)
            let bound = acceptor.address
            self.ports.add(bound)
            return TCPListener(acceptor: acceptor, requested: address, proxies: self.proxies) { [ports] in ports.remove(bound) }
        } catch {
            throw failure.error(code: (error as? IOError)?.errnoCode, cause: error)
        }
    }
}

extension TransportError {
    /// Whether a dial failed for where it was to come from.
    fileprivate var isAboutTheLocalAddress: Bool {
        guard let code = (self.cause as? SystemError)?.number else { return false }
        return code == EADDRINUSE || code == EADDRNOTAVAIL
    }
}
