import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("Articles")
struct ArticleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

    private static func files(below folder: String) throws -> [URL] {
        try FileManager.default.subpathsOfDirectory(atPath: self.root.appending(path: folder).path).map {
            self.root.appending(path: folder).appending(path: $0)
        }
    }

    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(line.drop { $0 == " " })
        }
    }

    /// The code of a page, without the indentation that it may have elsewhere.
    private static func blocks(of page: [String]) -> [[String]] {
        page.split { $0 == "```swift" }.dropFirst().map { rest in Array(rest.prefix { $0 != "```" }) }
    }

    @Test("Their code is compiled in the tests or in the examples")
    func code() throws {
        let compiled = try (Self.files(below: "Tests/P2PTests") + Self.files(below: "Examples/Sources"))
            .filter { $0.pathExtension == "swift" }.map(Self.lines)
        var count = 0
        for page in try Self.files(below: "Sources/P2P/P2P.docc") where page.pathExtension == "md" {
            // A manifest is not compiled here; Interop/test_examples.py reads it.
            for block in Self.blocks(of: try Self.lines(of: page)) where block.first?.hasPrefix("// swift-tools-version") == false {
                count += 1
                #expect(compiled.contains { $0.contains(block) }, "\(page.lastPathComponent): \(block.first ?? "")")
            }
        }
        #expect(count > 5)
    }

    @Test("The first program is the README's, and the example Greeter")
    func firstProgram() throws {
        let greeter = try Self.lines(of: Self.root.appending(path: "Examples/Sources/Greeter/main.swift")).dropLast()
        #expect(greeter.count <= 15)
        for page in ["README.md", "Sources/P2P/P2P.docc/FirstProgram.md"] {
            let blocks = Self.blocks(of: try Self.lines(of: Self.root.appending(path: page)))
            #expect(blocks.first { $0.first == "import P2P" } == Array(greeter), "\(page)")
        }
    }

    @Test("The files that they name are there, once")
    func names() throws {
        let names = try Self.files(below: "Sources").map(\.lastPathComponent)
        let text = try String(contentsOf: Self.root.appending(path: "Sources/P2P/P2P.docc/LifeOfAStream.md"), encoding: .utf8)
        let named = text.split(separator: "`").filter { $0.hasSuffix(".swift") && !$0.contains(" ") }
        #expect(named.count > 10)
        for name in named { #expect(names.count { $0 == name } == 1, "\(name)") }
    }
}
