import ArgumentParser
import Foundation
import P2P

/// Offers a file.
struct Share: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Offer a file to the network, until Ctrl-C.")

    @Argument(help: "The file.")
    var file: String

    @OptionGroup var node: Node

    func run() async throws {
        let blocks = try self.blocks()
        try await self.node.run { host, dht in
            try host.serve(Wire.blocks.serving { request, _ in try blocks.answer(request) })
            show("sharing: \(blocks.manifest.size) bytes in \(blocks.manifest.blocks.count) blocks")
            for address in host.listenAddresses { show("swift run Swarm fetch \(blocks.name) --bootstrap \(address)") }
            try await Node.offer(blocks, on: host, dht)
            try await Node.stay()
        }
    }

    /// The file, read to its end once.
    private func blocks() throws -> Blocks {
        let file = URL(filePath: self.file)
        var isFolder = ObjCBool(false)
        guard FileManager.default.fileExists(atPath: self.file, isDirectory: &isFolder) else {
            throw Problem("there is no file \(self.file)")
        }
        guard !isFolder.boolValue else { throw Problem("\(self.file) is a folder; one file is shared at a time") }
        do {
            return try Blocks(FileHandle(forReadingFrom: file), Manifest(of: file), isWhole: true)
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem("\(self.file) can't be read")
        }
    }
}
