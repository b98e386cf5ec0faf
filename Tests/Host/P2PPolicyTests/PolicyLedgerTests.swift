import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PPolicy

@Suite("What a policy has granted")
struct PolicyLedgerTests {
    private static let now: Int64 = 1_790_000_000

    private func question(_ text: String) throws -> PolicyQuestion { try PolicyQuestion(text, time: Self.now) }

    @Test("New rules are put to what there is in the order in which it came, and count anew")
    func order() throws {
        var ledger = PolicyLedger(try Policy("allow peer-accept:*"))
        let ids = (0..<4).map { _ in ConnectionID() }
        for id in ids {
            #expect(ledger.decide(try self.question("peer-accept:\(PolicyTests.alice)"), leadingTo: nil, for: .connection(id)).isGranted)
        }
        ledger.release(.connection(ids[1]))
        let withdrawal = ledger.replace(with: try Policy("\nallow peer-accept:* max=2"), at: Self.now)
        #expect(withdrawal.connections == [ids[3]] && ledger.count == 2)
        let full = ledger.decide(try self.question("peer-accept:\(PolicyTests.bob)"), leadingTo: nil, for: .connection(ids[3]))
        #expect(
            full.description
                == "permission denied: peer-accept:\(PolicyTests.bob) is not granted more than 2 times at once by \"allow peer-accept:* max=2\" (policy line 2)"
        )
        ledger.release(.connection(ids[0]))
        #expect(ledger.decide(try self.question("peer-accept:*"), leadingTo: nil, for: .connection(ids[3])).isGranted)
    }

    @Test("A rule that ends by itself takes with it what it had granted, and not what another grants")
    func deadlines() throws {
        var ledger = PolicyLedger(
            try Policy(
                "allow peer-accept:* until=2027-01-01T00:00:00Z\nallow peer-accept:\(PolicyTests.alice)\ndeny service:/x until=2026-12-01T00:00:00Z"
            ))
        let (one, other) = (ConnectionID(), ConnectionID())
        _ = ledger.decide(try self.question("peer-accept:\(PolicyTests.alice)"), leadingTo: nil, for: .connection(one))
        _ = ledger.decide(try self.question("peer-accept:\(PolicyTests.bob)"), leadingTo: nil, for: .connection(other))
        let (first, second) = (
            try #require(ledger.nextDeadline(after: Self.now)), try #require(WallTime(internetTime: "2027-01-01T00:00:00Z"))
        )
        #expect(WallTime(internetTime: "2026-12-01T00:00:00Z")?.secondsSince1970 == first)
        #expect(ledger.nextDeadline(after: first) == second.secondsSince1970)
        #expect(ledger.nextDeadline(after: second.secondsSince1970) == nil)
        #expect(ledger.review(at: second.secondsSince1970 - 1).connections.isEmpty)
        #expect(ledger.review(at: second.secondsSince1970).connections == [other])
        #expect(ledger.count == 1)
    }

    @Test("The connection of a name is judged by the name and by where it led")
    func names() throws {
        let name = "peer-dial:\(PolicyTests.alice)@good.example:80"
        let cases: [(String, Bool)] = [
            ("allow peer-dial:*@good.example:*", true),
            ("allow peer-dial:*@*.example:*", true),
            ("allow peer-dial:*@8.8.8.8:*", false),
            ("allow peer-dial:*@good.example:*\ndeny peer-dial:*@8.8.0.0/16:*", false),
            ("deny peer-dial:*@good.example:*", false),
            ("", true),
        ]
        for (rules, isKept) in cases {
            var ledger = PolicyLedger(try Policy("allow peer-dial:*@good.example:80"))
            let id = ConnectionID()
            #expect(ledger.decide(try self.question(name), leadingTo: IPAddress("8.8.8.8"), for: .connection(id)).isGranted)
            #expect(ledger.replace(with: try Policy(rules), at: Self.now).connections == (isKept ? [] : [id]), "\(rules)")
        }
    }
}
