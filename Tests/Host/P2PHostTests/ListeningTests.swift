import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PHost

@Suite("Listening on several addresses", .timeLimit(.minutes(1)))
struct ListeningTests {
    private let world = FakeWorld()
    private let four: Multiaddr = "/ip4/127.0.0.1/tcp/0"
    private let six: Multiaddr = "/ip6/::1/tcp/0"

    private func lacks(_ address: Multiaddr, _ code: TransportError.Code = .familyMissing) {
        self.world.network.set(.unbindable(TransportError(code, "no")), at: address)
    }

    @Test("Both families are bound where there are both")
    func both() async throws {
        let host = try self.world.host()
        let outcome = try await host.listen(on: [self.four, self.six])
        #expect(outcome.addresses.count == 2 && outcome.addresses == host.listenAddresses)
        #expect(outcome.leftOut.isEmpty)
        host.shutDown()
        try await host.run()
    }

    @Test("A family that is missing is left out, and said", arguments: [true, false])
    func leftOut(isIPv6: Bool) async throws {
        let host = try self.world.host()
        let events = host.events()
        let (missing, there) = isIPv6 ? (self.six, self.four) : (self.four, self.six)
        self.lacks(missing)
        let outcome = try await host.listen(on: [missing, there])
        #expect(outcome.addresses == host.listenAddresses && outcome.addresses.count == 1)
        #expect(outcome.leftOut.map(\.address) == [missing])
        #expect(outcome.leftOut.map(\.error.code) == [.familyMissing])
        host.shutDown()
        try await host.run()
        var omissions: [Multiaddr] = []
        for await event in events {
            if case .leftOut(let address, let error) = event, error.code == .familyMissing { omissions.append(address) }
        }
        #expect(omissions == [missing])
    }

    @Test("With nothing left to listen on it is an error that names every address")
    func nothing() async throws {
        let host = try self.world.host()
        for address in [self.four, self.six] { self.lacks(address) }
        let all = try await #require(throws: TransportError.self) { _ = try await host.listen(on: [self.four, self.six]) }
        #expect(all.code == .familyMissing && all.message.contains(self.four.description) && all.message.contains(self.six.description))
        let one = try await #require(throws: TransportError.self) { _ = try await host.listen(on: [self.six]) }
        #expect(one.code == .familyMissing)
        await #expect(throws: TransportError(.familyMissing, "")) { _ = try await host.listen(on: self.six) as [Multiaddr] }
    }

    @Test(
        "Anything else is an error, whatever the family", arguments: [TransportError.Code.addressInUse, .unreachable, .unsupportedAddress])
    func otherwise(code: TransportError.Code) async throws {
        let host = try self.world.host()
        self.lacks(self.six, code)
        let error = try await #require(throws: TransportError.self) { _ = try await host.listen(on: [self.four, self.six]) }
        #expect(error.code == code)
        host.shutDown()
        try await host.run()
    }
}
