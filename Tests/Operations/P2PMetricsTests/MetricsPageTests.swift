import P2PMetrics
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("Specs/Metrics.md")
struct MetricsPageTests {
    @Test("Its table is the catalogue")
    func table() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let page = try String(contentsOf: folder.appending(path: "../../../Specs/Metrics.md"), encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `p2p_") }.map(String.init)
        let catalogue = HostMetrics.catalogue.map { metric in
            "| `\(metric.name)` | \(metric.kind.rawValue) | \(metric.labels.map { "`\($0)`" }.joined(separator: ", ")) |"
        }
        #expect(rows == catalogue)
    }
}
