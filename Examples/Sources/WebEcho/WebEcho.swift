import ArgumentParser
import Foundation
import P2PWebSocketListener

/// Sends back what web pages say.
@main
struct WebEcho: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Send back what comes over WebSockets, until it is ended.")

    @Option(help: "Where to listen: an address of this machine.")
    var address = "127.0.0.1"

    @Option(help: "The port; any if it is not given.")
    var port: Int?

    @Flag(help: "Ask the router to open the port.")
    var map = false

    func run() async throws {
        var options = WebSocketListenerOptions()
        if self.map { options.mapping = .init() }
        let listener = try WebSocketListener.listen(self.address, self.port, options: options)
        let changes = listener.mappingChanges
        let bound = try await listener.opened
        show("ws://\(bound.localAddress):\(bound.localPort)/")
        // What a router has opened, it is asked to close again.
        let signals = [SIGINT, SIGTERM].map { end($0, listener) }
        try await withThrowingDiscardingTaskGroup { group in
            if let changes {
                group.addTask {
                    for await status in changes {
                        for mapping in status.mappings {
                            show(
                                "ws://\(mapping.externalAddress.map { "\($0)" } ?? "?"):\(mapping.externalPort)/ by \(mapping.method.rawValue)"
                            )
                        }
                    }
                }
            }
            for try await socket in listener.connections {
                group.addTask {
                    while let bytes = try? await socket.read() { try? await socket.write(bytes) }
                    socket.close()
                }
            }
            group.cancelAll()
        }
        try await listener.closed
        withExtendedLifetime(signals) {}
    }
}

/// Has a signal close the listener.
private func end(_ signal: Int32, _ listener: WebSocketListener) -> any DispatchSourceSignal {
    Foundation.signal(signal, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: signal)
    source.setEventHandler { listener.close() }
    source.resume()
    return source
}

/// Prints a line at once, into a pipe, too.
private func show(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
