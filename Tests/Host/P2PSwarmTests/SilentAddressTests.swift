import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

/// A peer with one address that works, among many that do not.
@Suite("Silent addresses starve no dial")
struct SilentAddressTests {
    enum Kind: String, CaseIterable {
        case privateTCP = "/ip4/10.1.%/tcp/4001"
        case publicTCP = "/ip4/1.2.%/tcp/4001"
        case publicQUIC = "/ip4/1.3.%/udp/4001/quic-v1"
        case publicTCP6 = "/ip6/2a00::%/tcp/4001"
        case publicQUIC6 = "/ip6/2a01::%/udp/4001/quic-v1"
        case webSocket = "/ip4/1.4.%/tcp/443/tls/ws"

        func address(_ number: Int) throws -> Multiaddr {
            let host = self.rawValue.hasPrefix("/ip6") ? String(number + 1, radix: 16) : "\(number / 200).\(number % 200 + 1)"
            return try Multiaddr(self.rawValue.replacing("%", with: host))
        }
    }

    private func simulation(_ experience: DialExperience = DialExperience()) throws -> DialSimulation {
        DialSimulation(DialRun(peer: PeerID(try PrivateKey.generate(.ed25519).publicKey), experience: experience))
    }

    /// One good address at that rank of a list.
    private func list(_ count: Int, _ kind: Kind, good: Multiaddr, at rank: Int) throws -> [Multiaddr] {
        var addresses = try (0..<(count - 1)).map { try kind.address($0) }
        addresses.insert(good, at: rank)
        return addresses
    }

    @Test(
        "The good one is reached within two seconds, whatever is silent and whatever its rank", arguments: Kind.allCases,
        [14, 40, 100])
    func rank(kind: Kind, count: Int) throws {
        for goodKind in [kind, .privateTCP] {
            for rank in [count / 2, count - 1] {
                var simulation = try self.simulation()
                let good = try goodKind.address(10_000)
                simulation.set(.answers(.milliseconds(50)), at: [good])
                let outcome = simulation.play(try self.list(count, kind, good: good, at: rank))
                let reached = try #require(outcome.reached, "\(goodKind) at \(rank) of \(count) was not reached")
                #expect(reached <= .milliseconds(1_900), "\(goodKind) at \(rank) of \(count): \(reached)")
                #expect(outcome.mostOpen <= DialLimits().openAttempts)
            }
        }
    }

    @Test("So it is where the others accept and then say nothing", arguments: [14, 100], [10, 150])
    func tarpits(count: Int, latency: Int) throws {
        for kind in [Kind.privateTCP, .publicTCP, .webSocket] {
            for rank in Set([0, count / 2, count - 1]) {
                var simulation = try self.simulation()
                let addresses = try self.list(count, kind, good: try kind.address(10_000), at: rank)
                simulation.set(.tarpit(.milliseconds(Int64(latency))), at: addresses)
                simulation.set(.answers(.milliseconds(20)), at: [addresses[rank]])
                let reached = try #require(simulation.play(addresses).reached)
                #expect(reached <= .milliseconds(1_950), "\(kind) at \(rank) of \(count): \(reached)")
            }
        }
    }

    @Test("What is refused at once costs no time, however much of it there is", arguments: [14, 100, 256])
    func refusals(count: Int) throws {
        for kind in [Kind.publicTCP, .publicTCP6] {
            var simulation = try self.simulation()
            let addresses = try self.list(count, kind, good: try kind.address(10_000), at: count - 1)
            simulation.set(.refuses(.zero), at: addresses)
            simulation.set(.answers(.milliseconds(20)), at: [addresses[count - 1]])
            #expect(try #require(simulation.play(addresses).reached) == .milliseconds(80))
        }
    }

    @Test("Silent, stuck and refused ones together, over both families and transports")
    func mixture() throws {
        for rank in [0, 20, 59] {
            var simulation = try self.simulation()
            var addresses: [Multiaddr] = []
            for number in 0..<12 {
                let some = try [Kind.publicTCP, .publicQUIC, .publicTCP6, .publicQUIC6, .privateTCP].map { try $0.address(number) }
                simulation.set(
                    number % 3 == 0 ? .tarpit(.milliseconds(30)) : number % 3 == 1 ? .silence : .refuses(.milliseconds(40)), at: some)
                addresses += some
            }
            let good = try Kind.publicTCP.address(10_000)
            simulation.set(.answers(.milliseconds(50)), at: [good])
            addresses.insert(good, at: rank)
            #expect(try #require(simulation.play(addresses).reached) <= .milliseconds(1_900))
        }
    }

    @Test("The most addresses that a dial takes are all tried within three seconds, with no more open than the limit")
    func most() throws {
        var simulation = try self.simulation()
        let addresses = try (0..<SwarmConfiguration.maximumAddressesPerDial).map { try Kind.publicTCP.address($0) }
        simulation.set(.answers(.milliseconds(50)), at: [addresses[255]])
        let outcome = simulation.play(addresses)
        #expect(try #require(outcome.reached) <= .seconds(3))
        #expect(outcome.mostOpen == DialLimits().openAttempts)
    }

    @Test("A peer on a slow path whose place was called back is reached in its second turn")
    func slowPath() throws {
        var simulation = try self.simulation()
        let addresses = try (0..<200).map { try Kind.publicTCP.address($0) }
        simulation.set(.answers(.milliseconds(700)), at: [addresses[40]])
        let outcome = simulation.play(addresses)
        #expect(outcome.dialled.count { $0 == addresses[40] } == 2)
        #expect(try #require(outcome.reached) <= .seconds(10))
        #expect(outcome.mostOpen == DialLimits().openAttempts)
    }

    @Test("A dial that is lent nothing goes on with its own places")
    func nothingLent() throws {
        var simulation = try self.simulation()
        simulation.lent = 0
        let addresses = try (0..<40).map { try Kind.publicTCP.address($0) }
        simulation.set(.answers(.milliseconds(50)), at: [addresses[39]])
        let outcome = simulation.play(addresses)
        #expect(outcome.mostOpen == DialLimits().ownPlaces)
        #expect(try #require(outcome.reached) <= .seconds(4))
    }

    @Test("With few addresses nothing is in a hurry: the second one waits for its turn, as ever")
    func few() throws {
        var simulation = try self.simulation()
        let addresses = try (0..<4).map { try Kind.publicTCP.address($0) }
        simulation.set(.answers(.milliseconds(60)), at: addresses)
        let outcome = simulation.play(addresses)
        #expect(outcome.dialled == [addresses[0]])
        #expect(outcome.reached == .milliseconds(240))
    }
}
