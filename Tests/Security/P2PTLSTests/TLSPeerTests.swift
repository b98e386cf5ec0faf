#if TLS
    import NIOCore
    import NIOEmbedded
    import NIOSSL
    import P2PCertificate
    import P2PCore
    import P2PIdentity
    import P2PPipeline
    import Testing

    @testable import P2PTLS

    /// Peers that present, offer or speak what they should not, in both roles, each with its exact outcome.
    @Suite struct TLSPeerTests {
        private let security: TLSSecurity

        init() async throws {
            self.security = try await TLSSecurity.make(identity: try PrivateKey.generate(.ed25519))
        }

        private func meet(_ peer: Peer, weAre role: ConnectionRole) async throws -> Wire {
            let wire = try Wire(self.security, role: role, peer: try await peer.handler(role: role == .dialer ? .listener : .dialer))
            wire.carry()
            return wire
        }

        @Test("Every fault of a certificate is refused for its own reason, whoever dialled", arguments: Fault.allCases, [true, false])
        func certificates(fault: Fault, weDial: Bool) async throws {
            // A server without a certificate is one that the library does not make.
            if fault == .absent, weDial { return }
            let wire = try await self.meet(Peer(fault: fault), weAre: weDial ? .dialer : .listener)
            guard fault != .none else {
                #expect(throws: Never.self) { try wire.result?.get() }
                #expect(wire.result != nil && wire.ours.isActive)
                return
            }
            #expect(wire.failure?.code == (fault == .expired || fault == .future ? .clocksDisagree : .securityFailed))
            #expect(wire.reason?.code == (fault == .absent ? .noCertificate : .certificateRefused))
            #expect((wire.reason?.cause as? CertificateError)?.code == fault.refusal)
            #expect(!wire.ours.isActive)
            #expect(wire.trace.bytes.isEmpty)
        }

        @Test("Where nothing but its dates stand against a certificate, a person reads that it may be either clock, and what both say")
        func message() async throws {
            for (fault, dates) in [(Fault.expired, "was valid until 20"), (.future, "is valid from 20")] {
                let message = try #require(try await self.meet(Peer(fault: fault), weAre: .listener).failure?.message)
                #expect(message.hasPrefix("TLS: your clock or theirs is wrong: the peer's certificate \(dates)"))
                #expect(message.contains(" UTC, and here it is 20"))
            }
        }

        @Test("TLS 1.2 is refused, whoever dialled", arguments: [true, false])
        func version(weDial: Bool) async throws {
            let wire = try await self.meet(Peer(minimum: .tlsv12, maximum: .tlsv12), weAre: weDial ? .dialer : .listener)
            #expect(wire.failure?.code == .securityFailed)
            #expect(wire.reason?.code == .unsupportedVersion)
            #expect(!wire.ours.isActive)
        }

        @Test("A peer that can do more than 1.3 asks for is spoken to in 1.3")
        func bothVersions() async throws {
            let wire = try await self.meet(Peer(minimum: .tlsv12), weAre: .listener)
            #expect(try wire.result?.get() != nil)
        }

        @Test(
            "A dialer that offers no protocol, or none of ours, is refused with the alert for it",
            arguments: [[], ["h2"], ["h2", "/spdy/3"]])
        func dialerProtocols(_ protocols: [String]) async throws {
            let handler = try await Peer(protocols: protocols).handler(role: .dialer)
            let wire = try Wire(self.security, role: .listener, peer: handler)
            Wire.deliver(Wire.outbound(of: wire.theirs), to: wire.ours)
            #expect(Wire.outbound(of: wire.ours) == [21, 3, 3, 0, 2, 2, 120])
            #expect(wire.failure?.code == .securityFailed)
            #expect(wire.reason?.code == .noApplicationProtocol)
            #expect(!wire.ours.isActive)
        }

        @Test("A listener that picks no protocol, or none of ours, is refused", arguments: [[], ["h2"]])
        func listenerProtocols(_ protocols: [String]) async throws {
            let wire = try await self.meet(Peer(protocols: protocols), weAre: .dialer)
            #expect(wire.failure?.code == .securityFailed)
            #expect(wire.reason?.code == .noApplicationProtocol)
            #expect(wire.trace.bytes.isEmpty)
        }

        @Test("The dialer's first muxer that the listener has is taken, else multistream-select goes on")
        func earlyMuxer() async throws {
            let offers: [([String], ProtocolID?)] = [
                (["/mplex/6.7.0", "/yamux/1.0.0", "libp2p"], "/mplex/6.7.0"), (["/yamux/1.0.0", "/mplex/6.7.0", "libp2p"], "/yamux/1.0.0"),
                (["/yamux/1.0.0"], "/yamux/1.0.0"), (["libp2p"], nil), (["/spdy/3", "libp2p"], nil),
                (["libp2p", "/yamux/1.0.0"], "/yamux/1.0.0"),
            ]
            for (protocols, agreed) in offers {
                let handler = try await Peer(protocols: protocols).handler(role: .dialer)
                let wire = try Wire(self.security, role: .listener, muxers: ["/yamux/1.0.0", "/mplex/6.7.0"], peer: handler)
                wire.carry()
                #expect(try #require(try wire.result?.get()).earlyMuxer == agreed, "\(protocols)")
            }
        }

        @Test("A peer is who its certificate says, with its key and its application's words")
        func identity() async throws {
            let key = try PrivateKey.generate(.ecdsa)
            let other = try await TLSSecurity.make(identity: key, metadata: [1, 2, 3])
            let wire = try Wire(self.security, role: .dialer, expecting: PeerID(key.publicKey))
            wire.secureTheirs(other, role: .listener)
            wire.carry()
            let secured = try #require(try wire.result?.get())
            #expect(secured.remotePeer == PeerID(key.publicKey))
            #expect(secured.remoteKey == key.publicKey)
            #expect(secured.appMetadata == [1, 2, 3])
            #expect(secured.earlyMuxer == "/yamux/1.0.0")
            #expect(try #require(try wire.theirResult?.get()).appMetadata == nil)
        }

        @Test("A dialer learns from the peer's alert that its certificate was refused, after its own handshake was done")
        func refusedByThePeer() async throws {
            let wire = try Wire(self.security, role: .dialer)
            let strict = try await TLSSecurity.make(identity: try PrivateKey.generate(.ed25519))
            let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
            wire.secureTheirs(strict, role: .listener, expecting: stranger)
            wire.carry()
            #expect(throws: TransportError(.peerMismatch, "")) { try wire.theirResult?.get() }
            #expect(try wire.result?.get() != nil)
            #expect(wire.trace.errors.map { ($0 as? TLSError)?.code } == [.alerted])
            #expect(wire.trace.isInactive)
        }
    }
#endif
