#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMultiaddr
    import Synchronization

    /// A client's first datagrams, kept until somebody decides on them. No cryptography has been done for it.
    final class QUICArrival: PendingConnection, QUICReceiver {
        /// Datagrams of a client that are kept: a hello takes one or two, and may be sent again.
        static let maximumDatagrams = 4

        let header: QUICPacketHeader.Long
        /// The id of the client's very first packet, when this one answers a Retry of ours.
        let original: QUICConnectionID?
        let route: quic_route
        let progress: ArrivalProgress?
        private let endpoint: QUICEndpoint
        private let isDecided = Atomic<Bool>(false)
        /// Confined to the event loop.
        private nonisolated(unsafe) var datagrams: [(bytes: [UInt8], ecn: UInt8)]

        init(endpoint: QUICEndpoint, header: QUICPacketHeader.Long, original: QUICConnectionID?, _ datagram: QUICDatagram) {
            self.endpoint = endpoint
            self.header = header
            self.original = original
            self.route = datagram.answer
            // A client that brings our token has been there and back.
            self.progress = ArrivalProgress(original == nil ? .heard : .opened, at: datagram.now)
            self.datagrams = [(Array(datagram.bytes), datagram.ecn)]
        }

        var localAddress: Multiaddr { self.route.local.multiaddr }
        var remoteAddress: Multiaddr { self.route.remote.multiaddr }

        func received(_ datagram: QUICDatagram) {
            guard self.datagrams.count < Self.maximumDatagrams, datagram.remote.isEqual(to: self.route.remote) else { return }
            self.datagrams.append((Array(datagram.bytes), datagram.ecn))
        }

        func receivedReset() {}

        func takeDatagrams() -> [(bytes: [UInt8], ecn: UInt8)] {
            defer { self.datagrams = [] }
            return self.datagrams
        }

        func accept() async throws(TransportError) -> any MuxedConnection {
            guard !self.isDecided.exchange(true, ordering: .relaxed) else {
                throw TransportError(.closed, "the arrival from \(self.remoteAddress) was decided on before")
            }
            var handshake = QUICHandshake(eventLoop: self.endpoint.eventLoop)
            let progress = self.progress
            // Its hello names what it wants; what comes after ours is the handshake's other half.
            progress?.advance(to: .negotiated)
            handshake.onAnswer = { progress?.advance(to: .handshaking) }
            return try await handshake.run { ready in self.endpoint.accept(self, ready: ready) }
        }

        func refuse() {
            guard !self.isDecided.exchange(true, ordering: .relaxed) else { return }
            self.endpoint.eventLoop.execute { self.sayNo() }
        }

        /// The same, for whoever is on the event loop.
        func refuseOnLoop() {
            if !self.isDecided.exchange(true, ordering: .relaxed) { self.sayNo() }
        }

        private func sayNo() {
            self.endpoint.refuse(self.header, code: QUICAdmission.connectionRefused, answering: self.route)
            self.endpoint.forget(self)
        }
    }
#endif
