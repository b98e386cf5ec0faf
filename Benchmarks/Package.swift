// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-p2p-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "swift-p2p", path: "..", traits: ["Full"]),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .target(name: "CAllocationCounter"),
        .executableTarget(
            name: "Bench",
            dependencies: [
                .product(name: "P2P", package: "swift-p2p"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                "CAllocationCounter",
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
            ]),
    ]
)
