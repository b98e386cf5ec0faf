#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PMuxing
    import P2PNames
    import Synchronization

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    /// The UDP sockets of one transport: those that listen, and one per family to dial from where none does.
    final class QUICSockets: Sendable {
        private struct State {
            var listening: [QUICEndpoint] = []
            /// Sockets that only dial; they go with their last connection.
            var dialing: [QUICEndpoint] = []
        }

        let credentials: QUICCredentials
        private let configuration: QUICConfiguration
        private let windowBudget: MemoryBudget?
        private let group: any EventLoopGroup
        private let logger: Logger
        private let executors = EventLoopTaskExecutors()
        private let state = Mutex(State())

        init(
            credentials: QUICCredentials, configuration: QUICConfiguration, windowBudget: MemoryBudget?, group: any EventLoopGroup,
            logger: Logger
        ) {
            self.credentials = credentials
            self.configuration = configuration
            self.windowBudget = windowBudget
            self.group = group
            self.logger = logger
        }

        // MARK: Listening

        func listen(on address: QUICAddress) async throws(TransportError) -> QUICListener {
            let arrivals = Inbox<QUICArrival, Never>(limit: QUICListener.arrivalBacklog)
            let local = try address.socketAddress()
            try BindFailure(local.multiaddr, ip: local.ip).checkWildcard()
            let endpoint = try await self.bind(local, arrivals: arrivals)
            self.state.withLock { $0.listening.append(endpoint) }
            self.forgetWhenClosed(endpoint)
            return QUICListener(endpoint: endpoint, arrivals: arrivals)
        }

        private func bind(_ address: quic_address, arrivals: Inbox<QUICArrival, Never>?) async throws(TransportError) -> QUICEndpoint {
            let eventLoop = self.group.next()
            do {
                return try await QUICEndpoint.make(
                    address, arrivals: arrivals, eventLoop: eventLoop, executor: self.executors.executor(for: eventLoop),
                    credentials: self.credentials, configuration: self.configuration, windowBudget: self.windowBudget, logger: self.logger)
            } catch {
                guard arrivals != nil else {
                    let isTaken = (error as? QUICErrno)?.code == EADDRINUSE
                    throw TransportError(
                        isTaken ? .addressInUse : .unreachable, "could not bind \(address.multiaddr) to dial from", cause: error)
                }
                throw BindFailure(address.multiaddr, ip: address.ip).error(code: (error as? QUICErrno)?.code, cause: error)
            }
        }

        private func forgetWhenClosed(_ endpoint: QUICEndpoint) {
            endpoint.eventLoop.execute {
                endpoint.whenClosed { [weak self, unowned endpoint] in
                    self?.state.withLock { state in
                        state.listening.removeAll { $0 === endpoint }
                        state.dialing.removeAll { $0 === endpoint }
                    }
                }
            }
        }

        // MARK: Dialing

        func dial(
            _ address: QUICAddress, expecting peer: PeerID?, options: DialOptions
        ) async throws(TransportError) -> any MuxedConnection {
            guard options.role == .dialer else {
                throw TransportError(.unsupportedOptions, "whoever dials over QUIC is the client of the handshake")
            }
            let wanted = try self.localAddress(options)
            let resolved = try await address.resolved(by: .shared, deadline: options.deadline, where: options.mayReach)
            let remotes = resolved.filter { wanted == nil || wanted?.isIPv6 == $0.isIPv6 }
            if let wanted, remotes.isEmpty {
                throw TransportError(.unsupportedOptions, "\(wanted.multiaddr) is of another IP version than what is dialled")
            }
            let race = AddressRace { (remote: quic_address) async throws(TransportError) in
                try await self.dial(remote, from: wanted, expecting: peer, options: options)
            } discard: {
                await $0.close(.normal, grace: .zero)
            }
            let result = await race.run(Array(remotes.prefix(AddressRaceLimits.maximumAddresses)))
            if case .failure = result, Task.isCancelled { throw TransportError(.cancelled, "the dial was cancelled") }
            return try result.get()
        }

        private func localAddress(_ options: DialOptions) throws(TransportError) -> quic_address? {
            guard let address = options.localAddress else { return nil }
            guard let local = QUICAddress(address), local.isNumeric else {
                throw TransportError(
                    .unsupportedOptions, "\(address) is not an address to dial QUIC from; it would be /ip4 or /ip6, /udp and /quic-v1")
            }
            return try local.socketAddress()
        }

        private func dial(
            _ remote: quic_address, from wanted: quic_address?, expecting peer: PeerID?, options: DialOptions
        ) async throws(TransportError) -> MuxerConnection {
            guard options.deadline > .now() else {
                throw TransportError(.timedOut, "the deadline passed before \(remote.multiaddr) was dialled")
            }
            let local = try self.route(to: remote, from: wanted)
            // A socket may go away between choosing it and using it: once more with another.
            for _ in 0..<2 {
                let endpoint = try await self.socket(for: local, wanted: wanted)
                let handshake = QUICHandshake(
                    eventLoop: endpoint.eventLoop, deadline: options.deadline,
                    answerBy: .now() + TimeAmount(self.configuration.answerTimeout), onAnswer: options.onConnected)
                do throws(TransportError) {
                    return try await handshake.run { endpoint.dial(remote, from: local, expecting: peer, ready: $0) }
                } catch  where error.cause is QUICEndpointClosed {
                    continue
                }
            }
            throw TransportError(.closed, "the sockets to dial \(remote.multiaddr) from were closed")
        }

        private func route(to remote: quic_address, from wanted: quic_address?) throws(TransportError) -> quic_address {
            if let wanted, !wanted.ip.isUnspecified { return wanted }
            switch remote.route() {
            case .success(let local) where remote.port != 0: return local
            case .success: throw TransportError(.unreachable, "\(remote.multiaddr): nobody listens on port 0")
            case .failure(let error): throw TransportError(.unreachable, "there is no way to \(remote.multiaddr)", cause: error)
            }
        }

        /// One that listens rather than one that does not: the peer then sees an address at which it can dial back.
        private func socket(for local: quic_address, wanted: quic_address?) async throws(TransportError) -> QUICEndpoint {
            let port = wanted?.port ?? 0
            let known = self.state.withLock { state in
                (state.listening + state.dialing).first { $0.canDial(from: local) && (port == 0 || $0.address.port == port) }
            }
            if let known { return known }
            let endpoint = try await self.bind(
                wanted ?? quic_address(ip: local.isIPv6 ? .unspecifiedV6 : .unspecifiedV4, port: 0), arrivals: nil)
            self.state.withLock { $0.dialing.append(endpoint) }
            self.forgetWhenClosed(endpoint)
            return endpoint
        }
    }

    extension QUICAddress {
        /// Where to dial: one for an IP address, what the resolver says for a name.
        ///
        /// - Parameter mayReach: which of a name's addresses are wanted; nil for all.
        func resolved(
            by resolver: NameResolver, deadline: NIODeadline,
            where mayReach: (@Sendable (IPAddress) async throws(TransportError) -> Void)? = nil
        ) async throws(TransportError) -> [quic_address] {
            guard case .name(let name, let family) = self.host else { return [try self.socketAddress()] }
            return try await resolver.addresses(of: name, port: self.port, family: family, deadline: deadline, where: mayReach)
                .compactMap { quic_address($0) }
        }

        /// - Throws: ``TransportError/Code/invalidAddress`` for a name, and for an interface that is not there.
        func socketAddress() throws(TransportError) -> quic_address {
            guard case .ip(let ip, let zone) = self.host else {
                throw TransportError(.invalidAddress, "a name is not an address to bind")
            }
            guard let zone, ip.isIPv6 else { return quic_address(ip: ip, port: self.port) }
            let scope = UInt32(zone) ?? if_nametoindex(zone)
            guard scope != 0 else { throw TransportError(.invalidAddress, "there is no interface named \(zone)") }
            return quic_address(ip: ip, port: self.port, scope: scope)
        }
    }
#endif
