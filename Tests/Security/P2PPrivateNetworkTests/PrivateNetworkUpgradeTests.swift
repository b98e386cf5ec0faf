import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import P2PNoise
import P2PPipeline
import P2PYamux
import Testing

@testable import P2PPrivateNetwork

#if Sodium
    @Suite("Upgrades in private networks", .timeLimit(.minutes(1)))
    struct PrivateNetworkUpgradeTests {
        private typealias Outcome = Result<any MuxedConnection, TransportError>

        private static func transport(_ network: MemoryNetwork, _ key: PreSharedKey?) async throws -> (peer: PeerID, any Transport) {
            let identity = try PrivateKey.generate(.ed25519)
            let upgrader = Upgrader(
                localPeer: PeerID(identity.publicKey), protector: try key.map { try PrivateNetwork(key: $0) },
                security: [try await NoiseSecurity.make(identity: identity)], muxers: [Yamux()],
                windowBudget: MemoryBudget(limit: 64 << 20), inboundTimeout: .seconds(2))
            let bytes = MemoryByteTransport(network: network, group: MultiThreadedEventLoopGroup.singleton)
            return (PeerID(identity.publicKey), UpgradingTransport(bytes, upgrader: upgrader))
        }

        /// What a dialer and a listener with these keys make of each other.
        private func meeting(
            dialer dialerKey: PreSharedKey?, listener listenerKey: PreSharedKey?
        ) async throws -> (dialer: Outcome, listener: Outcome) {
            let network = MemoryNetwork()
            let (_, dialer) = try await Self.transport(network, dialerKey)
            let (peer, listening) = try await Self.transport(network, listenerKey)
            let listener = try await listening.listen(on: Multiaddr("/memory/0"))
            let (outcomes, continuation) = AsyncStream.makeStream(of: Outcome.self)
            let running = Task {
                try await listener.run { pending in
                    do throws(TransportError) {
                        continuation.yield(.success(try await pending.accept()))
                    } catch {
                        continuation.yield(.failure(error))
                    }
                }
            }
            defer { running.cancel() }
            let address = try #require(listener.addresses.first)
            var dialled: Outcome
            do throws(TransportError) {
                dialled = .success(
                    try await dialer.dial(address, expecting: peer, options: DialOptions(deadline: .now() + .seconds(3))))
            } catch {
                dialled = .failure(error)
            }
            let accepted = try #require(await outcomes.first { _ in true })
            for case .success(let connection) in [dialled, accepted] { await connection.close(.shutdown, grace: .zero) }
            return (dialled, accepted)
        }

        private func code(_ outcome: Outcome) -> TransportError.Code? {
            guard case .failure(let error) = outcome else { return nil }
            return error.code
        }

        @Test("Members of a network meet, and agree on the muxer early as everywhere")
        func members() async throws {
            let key = PreSharedKey.generate()
            let (dialer, listener) = try await self.meeting(dialer: key, listener: key)
            #expect(try dialer.get().info.remotePeer == listener.get().info.localPeer)
            #expect(try listener.get().info.remotePeer == dialer.get().info.localPeer)
            #expect(try dialer.get().info.wasMuxerEarly && listener.get().info.wasMuxerEarly)
        }

        @Test("Members of two networks fail on each other at once, with an error that names the reason")
        func strangers() async throws {
            let started = ContinuousClock.now
            for _ in 0..<20 {
                let (dialer, listener) = try await self.meeting(dialer: .generate(), listener: .generate())
                #expect(self.code(listener) == .protectionFailed)
                // It tells the dialer nothing, so the dialer can but guess.
                #expect(self.code(dialer) == .closed)
            }
            // 20 deadlines would be 40 seconds.
            #expect(ContinuousClock.now - started < .seconds(20))
        }

        @Test("A dialer without a key gets nowhere with a member")
        func outsiderDials() async throws {
            let (dialer, listener) = try await self.meeting(dialer: nil, listener: .generate())
            #expect(self.code(dialer) == .negotiationFailed)
            #expect(self.code(listener) == .protectionFailed)
        }

        @Test("A member gets nowhere with a listener without a key, by the deadline at the latest")
        func outsiderListens() async throws {
            let (dialer, listener) = try await self.meeting(dialer: .generate(), listener: nil)
            #expect([.closed, .protectionFailed, .timedOut].contains(self.code(dialer)))
            #expect([.negotiationFailed, .timedOut].contains(self.code(listener)))
        }
    }
#endif
