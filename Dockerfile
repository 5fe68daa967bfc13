# The program with the packages of constraints.txt, for machines that run containers (docs/clusters.md). CPU and GPU alike:
#   docker build -t auxvae .                                                 torch with CUDA, as PyPI has it
#   docker build -t auxvae --build-arg TORCH_INDEX=INDEX_OF_CPU_BUILDS .      a smaller image without CUDA
#   docker run --rm -v "$PWD":/study auxvae snakemake --snakefile /opt/auxvae/workflow/Snakefile --cores all
FROM python:3.11-slim
ARG TORCH_INDEX=""
WORKDIR /opt/auxvae
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY foundation foundation
COPY simulations simulations
COPY auxvae auxvae
COPY workflow workflow
COPY config config
COPY envs envs
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -e '.[slurm]' -c constraints.txt
ENV OMP_NUM_THREADS=1
WORKDIR /study
CMD ["snakemake", "--snakefile", "/opt/auxvae/workflow/Snakefile", "--help"]
