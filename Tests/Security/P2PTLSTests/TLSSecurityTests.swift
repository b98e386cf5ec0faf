#if TLS
    import P2PCertificate
    import P2PCore
    import P2PIdentity
    import P2PPipeline
    import Synchronization
    import Testing

    @testable import P2PTLS

    /// The certificate of a host, which is made once.
    @Suite struct TLSSecurityTests {
        /// Counts how often it signs, and may stop doing so.
        private final class Pen: IdentityKey {
            private let key: PrivateKey
            let signatures = Mutex(0)
            let isDry = Mutex(false)
            var publicKey: PublicKey { self.key.publicKey }

            init() throws { self.key = try PrivateKey.generate(.ed25519) }

            func sign(_ message: [UInt8]) async throws(IdentityError) -> [UInt8] {
                if self.isDry.withLock({ $0 }) { throw IdentityError(.signingFailed, "no ink") }
                self.signatures.withLock { $0 += 1 }
                return try await self.key.sign(message)
            }
        }

        @Test("A host signs once, however many connections there are")
        func once() async throws {
            let pen = try Pen()
            let security = try await TLSSecurity.make(identity: pen)
            for _ in 0..<3 {
                let wire = try Wire(security, role: .listener, peer: try await Peer().handler(role: .dialer))
                wire.carry()
                #expect(try wire.result?.get() != nil)
            }
            #expect(pen.signatures.withLock { $0 } == 1)
        }

        @Test("An identity that does not sign makes no certificate")
        func stubborn() async throws {
            let pen = try Pen()
            pen.isDry.withLock { $0 = true }
            await #expect(throws: TransportError(.securityFailed, "")) { try await TLSSecurity.make(identity: pen) }
        }

        @Test("Metadata that does not fit is refused when the host is made")
        func metadata() async throws {
            let key = try PrivateKey.generate(.ed25519)
            await #expect(throws: TransportError(.metadataTooLong, "")) {
                try await TLSSecurity.make(identity: key, metadata: [UInt8](repeating: 0, count: 4_097))
            }
        }

        @Test("Contexts are made once for each list of application protocols")
        func contexts() async throws {
            let security = try await TLSSecurity.make(identity: try PrivateKey.generate(.ed25519))
            let one = try security.contexts.context(offering: ["libp2p"])
            #expect(try security.contexts.context(offering: ["libp2p"]) === one)
            #expect(try security.contexts.context(offering: ["/yamux/1.0.0", "libp2p"]) !== one)
        }
    }
#endif
