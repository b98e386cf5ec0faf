#if QUIC
    import CNgtcp2Shim
    import NIOCore

    /// What is left of a connection for a while: it tells a peer that has not heard that it is over (RFC 9000, section 10.2).
    final class QUICClosing: QUICReceiver {
        /// The last packet of a connection, and where it went.
        struct Packet {
            let bytes: [UInt8]
            let route: quic_route
        }

        private let packet: Packet?
        private let endpoint: QUICEndpoint
        private var heard = 0

        /// - Parameter packet: says that it is over; nil when the peer knows.
        init(packet: Packet?, endpoint: QUICEndpoint) {
            self.packet = packet
            self.endpoint = endpoint
        }

        /// Answers the first packet, the second, the fourth and so on.
        func received(_ datagram: QUICDatagram) {
            self.heard += 1
            guard let packet = self.packet, self.heard.nonzeroBitCount == 1 else { return }
            self.endpoint.state.sender.send(packet.bytes, to: packet.route)
        }

        func receivedReset() {}
    }
#endif
