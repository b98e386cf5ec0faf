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
        let file = URL(filePath: self.file)
        let blocks = try Blocks(try FileHandle(forReadingFrom: file), try Manifest(of: file), isWhole: true)
        try await self.node.run { host, dht in
            try host.serve(Wire.blocks.serving { request, _ in try blocks.answer(request) })
            show("sharing: \(blocks.manifest.size) bytes in \(blocks.manifest.blocks.count) blocks")
            for address in host.listenAddresses { show("swift run Swarm fetch \(blocks.name) --bootstrap \(address)") }
            try await Node.offer(blocks, on: host, dht)
            try await Node.stay()
        }
    }
}
