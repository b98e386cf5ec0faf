import Testing

@testable import P2PTool

@Suite("Rows in columns")
struct TextTableTests {
    @Test("Each column is as wide as its longest word, and nothing stands behind the last")
    func columns() {
        #expect(
            TextTable([["limit", "use", "unit"], ["connectionsPerPeer", "1", "count"], ["a", "1000"]]).lines == [
                "limit               use   unit", "connectionsPerPeer  1     count", "a                   1000",
            ])
        #expect(TextTable([]).lines.isEmpty)
    }
}
