import NIOCore
import P2PSystem
import Testing

@Suite("Addresses of a name, from the system")
struct SystemLookupTests {
    @Test("A literal is its own address, of its own family alone")
    func literals() throws {
        let v4 = try SystemLookup.addresses(of: "127.0.0.1", port: 80, family: nil).get()
        #expect(v4.map(\.ipAddress) == ["127.0.0.1"] && v4.map(\.port) == [80])
        let v6 = try SystemLookup.addresses(of: "::1", port: 443, family: .inet6).get()
        #expect(v6.map(\.ipAddress) == ["::1"] && v6.map(\.port) == [443])
        #expect(throws: SystemLookup.Failure.self) { try SystemLookup.addresses(of: "127.0.0.1", port: 80, family: .inet6).get() }
    }

    @Test("What does not resolve is said with its name")
    func unresolvable() throws {
        let failure = #expect(throws: SystemLookup.Failure.self) {
            try SystemLookup.addresses(of: "no name at all", port: 1, family: nil).get()
        }
        #expect(failure?.description.hasPrefix("no name at all does not resolve: ") == true)
    }
}
