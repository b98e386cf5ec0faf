#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMultiaddr

    /// A bound UDP socket whose arrivals are welcome.
    final class QUICListener: TransportListener {
        /// Arrivals that wait for a task; further ones are refused.
        static let arrivalBacklog = 1_024
        /// How often a wildcard listener looks for interfaces that came or went.
        static let interfacePollInterval = Duration.seconds(10)

        private let endpoint: QUICEndpoint
        private let arrivals: Inbox<QUICArrival, Never>
        private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

        init(endpoint: QUICEndpoint, arrivals: Inbox<QUICArrival, Never>) {
            self.endpoint = endpoint
            self.arrivals = arrivals
            self.changes = AddressChanges.make()
        }

        deinit {
            let endpoint = self.endpoint
            endpoint.eventLoop.execute { _ = endpoint.stopListening() }
        }

        var addresses: [Multiaddr] {
            let bound = self.endpoint.socketAddress
            return InterfaceAddresses.expanding(bound) { quic_address($0)?.multiaddr } ?? [self.endpoint.address.multiaddr]
        }

        var addressChanges: AddressChanges { self.changes.changes }

        func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws {
            defer { self.changes.continuation.finish() }
            await withDiscardingTaskGroup { group in
                group.addTask { await self.watchInterfaces() }
                while let arrival = await self.arrivals.next() {
                    group.addTask {
                        await onArrival(arrival)
                        arrival.refuse()
                    }
                }
                group.cancelAll()
            }
            // Connections live on; without any, whoever waited for the end may bind the same address again at once.
            let endpoint = self.endpoint
            try? await endpoint.eventLoop.flatSubmit { endpoint.stopListening() }.get()
            if !Task.isCancelled {
                throw TransportError(.closed, "the socket that listened on \(endpoint.address.multiaddr) was closed by the system")
            }
        }

        /// Nothing in the system tells without a netlink socket, and a look every few seconds costs nothing.
        private func watchInterfaces() async {
            guard self.endpoint.isWildcard else { return }
            var known = self.addresses
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interfacePollInterval)
                let current = self.addresses
                // Where the system can't list them at the moment, it is not said that they are gone.
                if current != known, !current.contains(where: { $0.ipAddress?.isUnspecified ?? false }) {
                    known = current
                    self.changes.continuation.yield(current)
                }
            }
        }
    }
#endif
