#if QUIC
    import CNgtcp2Peer
    import Crypto
    import NIOCore
    import P2PCore
    import P2PQUIC

    /// A peer whose handshake with an endpoint is honest, and who seals whatever it is given from then on.
    final class QUICForger {
        /// Flights of a handshake; it takes three.
        private static let rounds = 8
        /// Numbers of its own packets: those of the handshake are far below.
        private static let firstNumber: UInt32 = 1 << 16

        private let peer: OpaquePointer
        private let seal: QUICPacketSeal
        private let destination: [UInt8]
        private var number = QUICForger.firstNumber
        /// Where it sends from, unless it says something else.
        let port: UInt16

        /// - Parameter role: what the endpoint is.
        init(_ feed: QUICEndpointFeed, _ role: ConnectionRole, identity: QUICEndpointFeed.Identity) {
            guard let peer = quic_peer_new(identity.native, role == .dialer, Self.now) else { preconditionFailure("no peer") }
            self.peer = peer
            self.port = quic_peer_port(peer)
            if role == .dialer { feed.dial(port: self.port) }
            var keys: (secret: [UInt8], destination: [UInt8])?
            for _ in 0..<Self.rounds where keys == nil || feed.connections.isEmpty {
                precondition(quic_peer_hear(peer, Self.now), "an honest handshake fails")
                while let packet = Self.packet(of: peer) { feed.receive(packet, fromPort: self.port, ecn: 0) }
                feed.decide(accepting: true)
                keys = Self.keys(of: peer)
            }
            guard let keys, !feed.connections.isEmpty else { preconditionFailure("an honest handshake does not come to an end") }
            self.seal = QUICPacketSeal(secret: SymmetricKey(data: keys.secret))
            self.destination = keys.destination
        }

        deinit { quic_peer_free(self.peer) }

        private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

        private static func packet(of peer: OpaquePointer) -> [UInt8]? {
            var packet = [UInt8](repeating: 0, count: 1_500)
            let size = quic_peer_say(peer, &packet, packet.count, self.now)
            return size > 0 ? Array(packet.prefix(size)) : nil
        }

        private static func keys(of peer: OpaquePointer) -> (secret: [UInt8], destination: [UInt8])? {
            var secret = [UInt8](repeating: 0, count: Int(QUIC_PEER_SECRET_LENGTH))
            var destination = [UInt8](repeating: 0, count: Int(QUIC_PEER_MAXIMUM_ID))
            let length = quic_peer_secret(peer, &secret, &destination)
            return length > 0 ? (secret, Array(destination.prefix(length))) : nil
        }

        /// A 1-RTT packet with these frames, the next in the row. Nil when the library does not seal it.
        func packet(_ frames: [UInt8], to id: QUICConnectionID? = nil) -> [UInt8]? {
            defer { self.number += 1 }
            // A short header with four bytes of packet number, in the first phase of keys.
            return self.seal.seal(frames, behind: [0x43] + (id?.bytes ?? self.destination), number: self.number)
        }
    }
#endif
