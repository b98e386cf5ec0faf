import Foundation
import GRPCCore
import P2P

/// Texts as messages. A program of more than an example generates both sides out of a `.proto` file.
struct TextCoding: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ text: String) throws -> Bytes { Bytes(text.utf8) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> String {
        bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}

/// What is called.
struct Greetings: RegistrableRPCService {
    static let greet = MethodDescriptor(fullyQualifiedService: "example.Greetings", method: "Greet")
    static let repeats = MethodDescriptor(fullyQualifiedService: "example.Greetings", method: "Repeat")

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(forMethod: Self.greet, deserializer: TextCoding(), serializer: TextCoding()) { request, context in
            let name = try await request.messages.first { _ in true } ?? ""
            guard !name.isEmpty else { throw RPCError(code: .invalidArgument, message: "nobody has no name") }
            return StreamingServerResponse(single: ServerResponse(message: "Hello \(name), you are \(context.remotePeer)"))
        }
        router.registerHandler(forMethod: Self.repeats, deserializer: TextCoding(), serializer: TextCoding()) { request, _ in
            StreamingServerResponse { writer in
                for try await text in request.messages { try await writer.write(text) }
                return [:]
            }
        }
    }
}

/// Prints a line at once, into a pipe, too.
func show(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

let arguments = Array(CommandLine.arguments.dropFirst())
let host = try await PeerHost.standard()
let listener = StreamListener()
try host.serve(listener)
try await host.running { host in
    guard let address = arguments.first else {
        let server = GRPCServer(transport: CallsOverStreams.server(listener), services: [Greetings()])
        show("swift run Calls \(try await host.listen(on: "/ip4/127.0.0.1/tcp/0")[0]) NAME")
        return try await server.serve()
    }
    let connection = try await host.connect(to: Multiaddr(address))
    let name = arguments.count > 1 ? arguments[1] : ""
    try await withGRPCClient(transport: try await CallsOverStreams.client(to: connection)) { client in
        do {
            let greeting = try await client.unary(
                request: ClientRequest(message: name), descriptor: Greetings.greet, serializer: TextCoding(), deserializer: TextCoding(),
                options: .defaults
            ) { try $0.message }
            show(greeting)
        } catch let error as RPCError {
            return show("refused: \(error)")
        }
        // Many at once, each both ways, on the one stream.
        let lengths = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<20 {
                group.addTask {
                    let request = StreamingClientRequest(of: String.self) { writer in
                        for line in 0..<50 { try await writer.write("\(number) \(line) " + String(repeating: "x", count: 1_000)) }
                    }
                    return try await client.bidirectionalStreaming(
                        request: request, descriptor: Greetings.repeats, serializer: TextCoding(), deserializer: TextCoding(),
                        options: .defaults
                    ) { response in try await response.messages.reduce(0) { $0 + $1.utf8.count } }
                }
            }
            var lengths: [Int] = []
            for try await length in group { lengths.append(length) }
            return lengths
        }
        show("repeated: \(lengths.count) calls, \(lengths.reduce(0, +)) bytes")
    }
}
